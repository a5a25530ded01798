//! The parameters of a call as they will stand in the guest's memory, made before the guest is involved.
//!
//! JSON is read straight into the bytes that the canonical ABI wants, so there is no tree of values in between: an image is
//! about as large as what it was read from. What a list or a text refers to is a *block* of its own, since the guest
//! allocates, and later frees, each by itself; until it has, the place of an address holds a link to the block. A text that
//! turns out wrong half-way costs the image and nothing else: no guest has seen any of it.

use crate::layout::{Layout, aligned, discriminant};

/// What an image costs besides its bytes, for each block.
const BLOCK_BYTES: usize = size_of::<Block>() + size_of::<Link>();

/// What is reserved before it is needed, in bytes: nothing for texts so short that they hold hardly more than a number.
const LEAST_RESERVED: usize = 32;
const MOST_RESERVED: usize = 64 << 10;
/// The lists and texts of most calls.
const USUAL_BLOCKS: usize = 8;

/// Parameters, ready to be placed in a guest's memory.
#[derive(Debug, Default)]
pub struct Image {
    /// The parameters themselves.
    root: Vec<u8>,
    root_links: Vec<Link>,
    /// The bytes of all blocks, one after the other.
    bytes: Vec<u8>,
    /// In an order in which each refers only to those before it.
    blocks: Vec<Block>,
    links: Vec<Link>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    len: u32,
    /// Links in it: so many of the next in `links`.
    links: u32,
    align: u8,
    /// It is text, whose encoding the guest chooses.
    text: bool,
}

/// An address that is not known yet.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Where it belongs, in the root, the stack or the block.
    at: u32,
    /// What it is the address of.
    block: u32,
}

/// Where a guest's memory is to hold parameters.
pub trait Target {
    /// Why it cannot.
    type Error;

    /// Allocates as the guest's `cabi_realloc` does, also no bytes at all.
    fn allocate(&mut self, align: usize, len: usize) -> Result<u32, Self::Error>;

    /// Writes to what was allocated.
    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Allocates and writes text in the encoding that the guest wants: its address, and its length in code units.
    fn text(&mut self, text: &[u8]) -> Result<(u32, u32), Self::Error> {
        let address = self.allocate(1, text.len())?;
        self.write(address, text)?;
        Ok((address, u32::try_from(text.len()).unwrap_or(u32::MAX)))
    }
}

/// A memory outside any guest, which only grows: for who wants to see what a guest would be given.
///
/// ```
/// # use jackfield_reflect::{AnswerLimits, Heap, JsonLimits, Memory, Shape, decode, encode};
/// let mut heap = Heap::default();
/// let Ok(value) = decode(&Shape::String, br#""\u00e4""#, &JsonLimits::default())?.place(&mut heap);
/// let (limits, mut json) = (AnswerLimits { max_bytes: 100, max_values: 100 }, Vec::new());
/// encode(&Shape::String, &value, Memory::utf8(&heap.0), &limits, &mut json)?;
/// assert_eq!(json, "\"ä\"".as_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Heap(pub Vec<u8>);

impl Target for Heap {
    type Error = std::convert::Infallible;

    fn allocate(&mut self, align: usize, len: usize) -> Result<u32, Self::Error> {
        let start = aligned(self.0.len(), align);
        self.0.resize(start + len, 0);
        Ok(count(start))
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let start = address as usize;
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

impl Image {
    /// Places all blocks; the parameters themselves, with all addresses in them.
    pub fn place<T: Target>(mut self, target: &mut T) -> Result<Vec<u8>, T::Error> {
        let mut placed: Vec<(u32, u32)> = Vec::with_capacity(self.blocks.len());
        let (mut rest, mut links) = (&mut self.bytes[..], &self.links[..]);
        for block in &self.blocks {
            let (bytes, after) = rest.split_at_mut(block.len as usize);
            let (own, later) = links.split_at(block.links as usize);
            (rest, links) = (after, later);
            resolve(bytes, own, &self.blocks, &placed);
            placed.push(if block.text {
                target.text(bytes)?
            } else {
                let address = target.allocate(block.align.into(), bytes.len())?;
                target.write(address, bytes)?;
                (address, 0)
            });
        }
        resolve(&mut self.root, &self.root_links, &self.blocks, &placed);
        Ok(self.root)
    }
}

fn resolve(bytes: &mut [u8], links: &[Link], blocks: &[Block], placed: &[(u32, u32)]) {
    for link in links {
        let (at, block) = (link.at as usize, link.block as usize);
        let (address, units) = placed[block];
        bytes[at..at + 4].copy_from_slice(&address.to_le_bytes());
        if blocks[block].text {
            bytes[at + 4..at + 8].copy_from_slice(&units.to_le_bytes());
        }
    }
}

/// An image would take more room than it may.
pub(crate) struct TooLarge;

/// An image that grows.
///
/// What is not finished stands on a stack: the parameters at the bottom, above them the list that is being read, above
/// that the list within its last item. A list that ends leaves the stack and becomes a block.
#[derive(Debug)]
pub(crate) struct Builder {
    stack: Vec<u8>,
    /// Links on the stack, in the order of their places' lists.
    pending: Vec<Link>,
    image: Image,
    most: usize,
}

/// A list that has begun.
pub(crate) struct Open {
    start: usize,
    pending: usize,
}

impl Builder {
    /// An image of at most so many bytes, of a text that is so long: most images have as many bytes, and few blocks.
    pub(crate) fn new(root: Layout, text: usize, most: usize) -> Self {
        let image = Image {
            bytes: Vec::with_capacity(if text < LEAST_RESERVED { 0 } else { text.min(MOST_RESERVED) }),
            ..Image::default()
        };
        Self { stack: vec![0; root.size], pending: Vec::new(), image, most }
    }

    pub(crate) fn finish(self) -> Image {
        Image { root: self.stack, root_links: self.pending, ..self.image }
    }

    fn room(&self, more: usize) -> Result<(), TooLarge> {
        let image = &self.image;
        let used = self.stack.len() + image.bytes.len() + image.blocks.len() * BLOCK_BYTES;
        if used.saturating_add(more) > self.most { Err(TooLarge) } else { Ok(()) }
    }

    /// Writes to a place on the stack.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.stack[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes which of so many cases it is.
    pub(crate) fn put_case(&mut self, at: usize, case: usize, of: usize) {
        self.put(at, &case.to_le_bytes()[..discriminant(of)]);
    }

    /// Sets one of a set of flags; whether it was set before.
    pub(crate) fn set_flag(&mut self, at: usize, flag: usize) -> bool {
        let byte = &mut self.stack[at + flag / 8];
        let bit = 1 << (flag % 8);
        let was = *byte & bit != 0;
        *byte |= bit;
        was
    }

    /// Writes text, or bytes, behind an address and a length.
    pub(crate) fn leaf(&mut self, at: usize, bytes: &[u8], text: bool) -> Result<(), TooLarge> {
        self.room(bytes.len().saturating_add(BLOCK_BYTES))?;
        self.image.bytes.extend_from_slice(bytes);
        self.block(at, bytes.len(), Block { len: count(bytes.len()), links: 0, align: 1, text });
        Ok(())
    }

    /// Begins a list. Until it ends, everything that is put goes to its items.
    pub(crate) fn open(&self) -> Open {
        Open { start: self.stack.len(), pending: self.pending.len() }
    }

    /// Room for one more item of the list that began last; where it is.
    pub(crate) fn item(&mut self, size: usize) -> Result<usize, TooLarge> {
        self.room(size)?;
        let at = self.stack.len();
        self.stack.resize(at + size, 0);
        Ok(at)
    }

    /// Ends the list that began last and writes where it is, and how many it holds, to `at`.
    pub(crate) fn close(&mut self, at: usize, list: &Open, align: usize, items: usize) -> Result<(), TooLarge> {
        self.room(BLOCK_BYTES)?;
        let len = self.stack.len() - list.start;
        self.image.bytes.extend_from_slice(&self.stack[list.start..]);
        self.stack.truncate(list.start);
        let start = count(list.start);
        let own = self.pending.drain(list.pending..).map(|link| Link { at: link.at - start, ..link });
        let before = self.image.links.len();
        self.image.links.extend(own);
        let links = count(self.image.links.len() - before);
        let align = u8::try_from(align).unwrap_or(8);
        self.block(at, items, Block { len: count(len), links, align, text: false });
        Ok(())
    }

    fn block(&mut self, at: usize, items: usize, block: Block) {
        if self.image.blocks.is_empty() {
            self.image.blocks.reserve(USUAL_BLOCKS);
            self.pending.reserve(USUAL_BLOCKS);
        }
        self.pending.push(Link { at: count(at), block: count(self.image.blocks.len()) });
        self.image.blocks.push(block);
        self.put(at + 4, &count(items).to_le_bytes());
    }
}

/// Sizes within an image, which is bounded far below what a `u32` holds.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
