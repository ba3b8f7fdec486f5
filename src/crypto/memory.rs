//! The memory of one derivation.

use std::io;

use argon2::Block;
use memmap2::MmapMut;

/// Blocks that come from the operating system and go back to it as soon as they are dropped. An allocator keeps
/// blocks of this size for later: with glibc, one for each thread that ever derived a key.
pub(super) struct Blocks(MmapMut);

impl Blocks {
    pub(super) fn new(count: usize) -> io::Result<Self> {
        MmapMut::map_anon(count * Block::SIZE).map(Self)
    }
}

impl AsMut<[Block]> for Blocks {
    #[expect(unsafe_code, reason = "argon2 takes its memory as blocks, and the system gives bytes")]
    fn as_mut(&mut self) -> &mut [Block] {
        // SAFETY: a block is an array of u64, so every content is valid. `align_to_mut` leaves out what is not
        // aligned, which is nothing at the beginning of a page; with fewer blocks argon2 would return an error.
        let (_, blocks, _) = unsafe { self.0.align_to_mut::<Block>() };
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_that_was_asked_for_is_there() {
        assert_eq!(Blocks::new(19 * 1024).unwrap().as_mut().len(), 19 * 1024);
    }
}
