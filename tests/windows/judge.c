/* What Windows reads in files that we wrote: asked of Wine, answered in UTF-8, one line each.
 *
 *   judge ini FILE SECTION NAME [FILE SECTION NAME ...]
 *   judge lnk FILE [FILE ...]     target, arguments, folder, description, icon, number
 */
#define COBJMACROS
#define UNICODE
#include <windows.h>
#include <shlobj.h>
#include <stdio.h>

static void say(const wchar_t *text)
{
    char bytes[16384];
    WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, sizeof bytes, NULL, NULL);
    puts(bytes);
}

static int ini(int count, wchar_t **words)
{
    wchar_t data[4096];
    for (int i = 0; i + 2 < count; i += 3) {
        GetPrivateProfileStringW(words[i + 1], words[i + 2], L"(none)", data, 4096, words[i]);
        say(data);
    }
    return 0;
}

static int lnk(const wchar_t *path)
{
    IShellLinkW *link = NULL;
    IPersistFile *file = NULL;
    wchar_t text[4096];
    int number = 0;
    if (FAILED(CoCreateInstance(&CLSID_ShellLink, NULL, CLSCTX_INPROC_SERVER, &IID_IShellLinkW, (void **)&link)))
        return 3;
    if (FAILED(IShellLinkW_QueryInterface(link, &IID_IPersistFile, (void **)&file)))
        return 4;
    if (FAILED(IPersistFile_Load(file, path, STGM_READ)))
        return 5;
    text[0] = 0;
    IShellLinkW_GetPath(link, text, 4096, NULL, SLGP_RAWPATH);
    say(text);
    text[0] = 0;
    IShellLinkW_GetArguments(link, text, 4096);
    say(text);
    text[0] = 0;
    IShellLinkW_GetWorkingDirectory(link, text, 4096);
    say(text);
    text[0] = 0;
    IShellLinkW_GetDescription(link, text, 4096);
    say(text);
    text[0] = 0;
    IShellLinkW_GetIconLocation(link, text, 4096, &number);
    say(text);
    printf("%d\n", number);
    IPersistFile_Release(file);
    IShellLinkW_Release(link);
    return 0;
}

int main(void)
{
    int count = 0;
    wchar_t **words = CommandLineToArgvW(GetCommandLineW(), &count);
    SetErrorMode(SEM_FAILCRITICALERRORS);
    if (count > 2 && !lstrcmpW(words[1], L"ini"))
        return ini(count - 2, words + 2);
    if (count > 2 && !lstrcmpW(words[1], L"lnk")) {
        CoInitialize(NULL);
        for (int i = 2; i < count; i++) {
            int error = lnk(words[i]);
            if (error)
                return error;
        }
        return 0;
    }
    return 2;
}
