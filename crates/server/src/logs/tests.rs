//! Output that comes twice, with gaps, and too much of it.

use super::*;

fn effect() -> EffectId {
    EffectId::new(RunId::from_bytes([1; 16]), 1, Visit(2))
}

fn piece(offset: u64, bytes: &[u8]) -> Log {
    Log { effect: effect(), stream: Stream::Out, offset, bytes: bytes.to_vec() }
}

#[test]
fn what_comes_twice_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = DeploymentId::from_bytes([2; 16]);
    let logs = Logs::new(folder.path().to_owned());
    assert_eq!(logs.append(deployment, &piece(0, b"hello ")).unwrap(), 6);
    assert_eq!(logs.append(deployment, &piece(0, b"hello ")).unwrap(), 0);
    let logs = Logs::new(folder.path().to_owned());
    assert_eq!(logs.append(deployment, &piece(3, b"lo world")).unwrap(), 5);
    assert_eq!(logs.append(deployment, &piece(20, b"!")).unwrap(), 1);
    let kept = logs.read(deployment, effect().run).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].bytes.as_slice(), kept[0].left_out), (b"hello world!".as_slice(), 9));
}

#[test]
fn of_much_output_the_ends_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = DeploymentId::from_bytes([2; 16]);
    let logs = Logs::new(folder.path().to_owned());
    let total = 5u64 << 20;
    for at in (0..total).step_by(1 << 16) {
        let byte = u8::try_from(at >> 16).unwrap();
        logs.append(deployment, &piece(at, &[byte; 1 << 16])).unwrap();
    }
    let kept = logs.read(deployment, effect().run).unwrap();
    let kept = &kept[0];
    assert_eq!(kept.bytes.len() as u64 + kept.left_out, total);
    assert!(kept.bytes.len() as u64 <= HEAD_BYTES_MAX + 2 * TAIL_BYTES_MAX);
    assert_eq!((kept.bytes.first(), kept.bytes.last()), (Some(&0), Some(&79)));
}
