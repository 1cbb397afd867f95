//! Reading files for their hashes, several at a time.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use model::Digest;

const CHUNK: usize = 256 * 1024;

pub(crate) fn digest_of(hasher: &blake3::Hasher) -> Digest {
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

pub(crate) fn digest_of_bytes(bytes: &[u8]) -> Digest {
    Digest::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// Passes at most `limit` bytes of `from` on, and says how many there were.
pub(crate) fn read_chunks(
    from: &mut File,
    limit: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let room = usize::try_from(limit.saturating_add(1)).unwrap_or(CHUNK).min(CHUNK);
    let mut room = vec![0; room];
    let mut from = from.take(limit);
    let mut total = 0u64;
    loop {
        match from.read(&mut room) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                each(&room[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The digest of the first `size` bytes, and how many there were.
pub(crate) fn hash_file(from: &mut File, size: u64) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let total = read_chunks(from, size, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok((digest_of(&hasher), total))
}

/// Does `work` for every item on as many threads as there are processors, and keeps the order. The
/// first error ends it.
pub(crate) fn for_each<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    if threads == 1 || items.len() < 4 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while let Some((at, item)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    items.get(at).map(|item| (at, item))
                } {
                    match work(item) {
                        Ok(result) => mine.push((at, result)),
                        Err(error) => {
                            next.store(items.len(), Ordering::Relaxed);
                            failed
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .get_or_insert(error);
                            break;
                        }
                    }
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).extend(mine);
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_keeps_its_order_and_ends_with_an_error() {
        let items: Vec<u32> = (0..500).collect();
        let doubled = for_each(&items, |item| Ok::<_, ()>(item * 2)).unwrap();
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(
            for_each(&items, |item| if *item == 77 { Err("odd") } else { Ok(()) }),
            Err("odd")
        );
    }
}
