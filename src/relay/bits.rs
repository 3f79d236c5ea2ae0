//! Sets of relays, one bit each.

/// A fixed number of bits, in words of 64.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Box<[u64]>);

pub(super) fn words_for(count: usize) -> usize {
    count.div_ceil(64)
}

impl Bits {
    pub(super) fn none(count: usize) -> Self {
        Self(vec![0; words_for(count)].into())
    }

    pub(super) fn set(&mut self, bit: usize) {
        set(&mut self.0, bit);
    }

    pub(super) fn clear(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word &= !(1 << (bit % 64));
        }
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn meets(&self, other: &[u64]) -> bool {
        self.0.iter().zip(other).any(|(mine, theirs)| mine & theirs != 0)
    }
}

pub(super) fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

pub(super) fn add(words: &mut [u64], more: &[u64]) {
    words.iter_mut().zip(more).for_each(|(word, more)| *word |= more);
}

/// Keeps what is in both; false when nothing is left.
pub(super) fn keep(words: &mut [u64], only: &[u64]) -> bool {
    let mut left = 0;
    for (word, only) in words.iter_mut().zip(only) {
        *word &= only;
        left |= *word;
    }
    left != 0
}

/// The numbers of the bits that are set in both, in order.
pub(super) fn both<'w>(words: &'w [u64], mask: &'w [u64]) -> impl Iterator<Item = usize> + 'w {
    words.iter().zip(mask).enumerate().flat_map(|(at, (word, mask))| ones(word & mask).map(move |bit| at * 64 + bit))
}

pub(super) fn all(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    both(words, words)
}

fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        word &= word.wrapping_sub(1);
        (bit < 64).then_some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_in_order() {
        let mut bits = Bits::none(130);
        for bit in [129, 0, 63, 64] {
            bits.set(bit);
        }
        bits.clear(63);
        assert_eq!(all(bits.words()).collect::<Vec<_>>(), [0, 64, 129]);
        assert_eq!(bits.count(), 3);
        let mut mask = Bits::none(130);
        mask.set(64);
        assert!(bits.meets(mask.words()));
        assert_eq!(both(bits.words(), mask.words()).collect::<Vec<_>>(), [64]);
    }
}
