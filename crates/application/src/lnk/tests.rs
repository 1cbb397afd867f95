//! What is written is read again, here and by liblnk's `lnkinfo`; Wine is asked in the lane of
//! Windows.

use proptest::prelude::*;

use super::*;

fn viewer() -> Link {
    Link {
        target: r"C:\Program Files\Größe\viewer.exe".to_owned(),
        arguments: "/open \"a b\"".to_owned(),
        working_folder: r"C:\Program Files".to_owned(),
        description: "Shows it".to_owned(),
        icon: Some((r"%SystemRoot%\system32\shell32.dll".to_owned(), 4)),
        window: Window::Maximized,
        as_administrator: true,
        ..Link::default()
    }
}

#[test]
fn what_is_written_is_read() {
    for target in [
        r"C:\a.exe",
        r"D:\",
        r"C:\Program Files\Größe\日本.exe",
        r"\\server\share\folder\viewer.exe",
        r"\\server\share",
        r"\\srv\größe\日本.exe",
        r"%ProgramFiles%\viewer.exe",
    ] {
        for link in [
            Link { target: target.to_owned(), ..viewer() },
            Link { target: target.to_owned(), is_folder: true, ..Link::default() },
        ] {
            assert_eq!(read(&write(&link).unwrap()), Some(link));
        }
    }
}

#[test]
fn a_long_path_on_a_server_goes_without_the_environment_block() {
    let target = format!(r"\\server\share\{}.exe", "x".repeat(300));
    let link = Link { target, ..Link::default() };
    let bytes = write(&link).unwrap();
    assert!(bytes.len() < 0x4C + 4 * 350);
    assert_eq!(read(&bytes), Some(link));
}

#[test]
fn what_no_shortcut_can_hold_is_refused() {
    for (target, arguments, expect) in [
        ("viewer.exe", "", "give a full path"),
        (r"C:viewer.exe", "", "give a full path"),
        (r"\\server", "", "give a full path"),
        (r"\\?\C:\a", "", "give a full path"),
        ("", "", "give a full path"),
        (r"C:\a", "a\nb", "line end"),
        (&format!("%A%{}", "x".repeat(300)), "", "too long"),
        (&format!(r"C:\{}", "x".repeat(40_000)), "", "too long"),
    ] {
        let (target, arguments) = (target.to_owned(), arguments.to_owned());
        let error = write(&Link { target, arguments, ..Link::default() }).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    }
}

proptest! {
    #[test]
    fn any_link_is_read_as_it_was_written(
        target in prop_oneof![
            r"[A-Z]:\\[^\\%\x00\r\n/]{1,20}(\\[^\\%\x00\r\n/]{1,40}){0,4}",
            r"\\\\[a-z]{1,9}\\[^\\\x00\r\n]{1,12}(\\[^\\\x00\r\n]{1,40}){0,4}",
            r"%[A-Z]{1,9}%\\[^\x00\r\n]{1,100}",
        ],
        arguments in r"[^\x00\r\n]{0,40}",
        description in r"[^\x00\r\n]{0,40}",
        icon in prop::option::of((r"[^\x00\r\n]{1,40}", any::<u32>())),
        is_folder in any::<bool>(),
        as_administrator in any::<bool>(),
    ) {
        let link = Link {
            target, arguments, description, icon, is_folder, as_administrator, ..viewer()
        };
        prop_assert_eq!(read(&write(&link).unwrap()), Some(link));
    }

    #[test]
    fn damage_does_no_harm(
        damage in proptest::collection::vec((0usize..1200, any::<u8>()), 0..10),
        length in 0usize..3000,
        is_share in any::<bool>(),
    ) {
        let mut link = viewer();
        if is_share {
            link.target = r"\\server\share\a.exe".to_owned();
        }
        let mut bytes = write(&link).unwrap();
        for (at, byte) in damage {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(length);
        read(&bytes);
    }
}
