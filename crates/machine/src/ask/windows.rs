//! Questions on Windows: a window on the desktop of the session.

#![allow(unsafe_code)] // Windows shows one by a call of its own.

use std::ptr::null_mut;
use std::time::Duration;

use windows_sys::Win32::System::RemoteDesktop::WTSSendMessageW;
use windows_sys::Win32::UI::WindowsAndMessaging::{IDNO, IDYES, MB_ICONQUESTION, MB_YESNO};

use super::{Answer, Question};
use crate::identity;

pub(super) async fn ask(question: &Question) -> Answer {
    let question = question.clone();
    let answer = tokio::task::spawn_blocking(move || show(&question)).await;
    answer.unwrap_or(Answer::NobodyThere)
}

fn show(question: &Question) -> Answer {
    let Ok(Some(session)) = identity::active_session() else { return Answer::NobodyThere };
    let units = |text: &str| -> Vec<u16> { text.encode_utf16().collect() };
    let bytes = |text: &[u16]| u32::try_from(text.len() * 2).unwrap_or(0);
    let (title, text) = (units(&question.title), units(&question.text));
    let mut answer = 0;
    // SAFETY: the texts say their length, the answer is written before the call comes back.
    let shown = unsafe {
        WTSSendMessageW(
            null_mut(),
            session,
            title.as_ptr(),
            bytes(&title),
            text.as_ptr(),
            bytes(&text),
            MB_YESNO | MB_ICONQUESTION,
            seconds(question.timeout),
            &mut answer,
            1,
        )
    };
    match answer {
        _ if shown == 0 => Answer::NobodyThere,
        IDYES => Answer::Yes,
        IDNO => Answer::No,
        _ => Answer::None,
    }
}

/// Zero would mean for ever.
fn seconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX).max(1)
}
