//! A tiny video: two grey pictures of 16 by 16 pixels in H.264, in an MP4 file of about 1,500 bytes.

/// The width and the height of a picture, in pixels: one macroblock.
const SIDE: u16 = 16;
/// The samples of a macroblock: 256 of luma and 64 of each chroma.
const SAMPLES: usize = 384;
/// The brightness of each picture. No value may make `00 00`, which H.264 would have to escape.
const PICTURES: [u8; 2] = [64, 192];
/// Units of time per second.
const TIMESCALE: u32 = 1000;
/// How long each picture is shown.
const SHOWN: u32 = 500;
/// How long a decoder has for the whole.
const DURATION: u32 = SHOWN * 2;
/// The unit matrix of a transformation, as boxes have it.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The file.
pub(crate) fn video() -> Vec<u8> {
    let samples: Vec<Vec<u8>> = (0u32..).zip(PICTURES).map(|(number, grey)| sample(number, grey)).collect();
    let file_type = boxed(*b"ftyp", &[b"isom", &[0, 0, 2, 0], b"isom", b"avc1", b"mp41"]);
    let sizes: Vec<u32> = samples.iter().map(|sample| length(sample)).collect();
    // The length of the index does not depend on where the samples are.
    let index = movie(&sizes, 0);
    let first = length(&file_type) + length(&index) + 8;
    let data: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    [file_type, movie(&sizes, first), boxed(*b"mdat", &data)].concat()
}

/// The index: one track, whose samples follow each other from the byte `first` of the file.
fn movie(sizes: &[u32], first: u32) -> Vec<u8> {
    let header = boxed(
        *b"mvhd",
        &[
            &words(&[0, 0, 0, TIMESCALE, DURATION, 0x1_0000, 0x0100_0000, 0, 0]),
            &words(&MATRIX),
            &words(&[0; 6]),
            &words(&[2]),
        ],
    );
    let side = u32::from(SIDE) << 16;
    let track_header =
        boxed(*b"tkhd", &[&words(&[3, 0, 0, 1, 0, DURATION, 0, 0, 0, 0]), &words(&MATRIX), &words(&[side, side])]);
    let media_header = boxed(*b"mdhd", &[&words(&[0, 0, 0, TIMESCALE, DURATION, 0x55c4_0000])]);
    let handler = boxed(*b"hdlr", &[&words(&[0, 0]), b"vide", &words(&[0; 3]), b"\0"]);
    let data_information = boxed(*b"dinf", &[&boxed(*b"dref", &[&words(&[0, 1]), &boxed(*b"url ", &[&words(&[1])])])]);
    let count = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
    let table = boxed(
        *b"stbl",
        &[
            &boxed(*b"stsd", &[&words(&[0, 1]), &sample_entry()]),
            &boxed(*b"stts", &[&words(&[0, 1, count, SHOWN])]),
            &boxed(*b"stsc", &[&words(&[0, 1, 1, count, 1])]),
            &boxed(*b"stsz", &[&words(&[0, 0, count]), &words(sizes)]),
            &boxed(*b"stco", &[&words(&[0, 1, first])]),
        ],
    );
    let media_information = boxed(*b"minf", &[&boxed(*b"vmhd", &[&words(&[1, 0, 0])]), &data_information, &table]);
    let media = boxed(*b"mdia", &[&media_header, &handler, &media_information]);
    boxed(*b"moov", &[&header, &boxed(*b"trak", &[&track_header, &media])])
}

/// `avc1`: the size of the pictures, and the parameter sets.
fn sample_entry() -> Vec<u8> {
    let (sequence, picture) = (sequence_parameters(), picture_parameters());
    let unit = |unit: &[u8]| [&u16::try_from(unit.len()).unwrap_or(u16::MAX).to_be_bytes(), unit].concat();
    let configuration = boxed(
        *b"avcC",
        &[&[1, sequence[1], sequence[2], sequence[3], 0xff, 0xe1], &unit(&sequence), &[1], &unit(&picture)],
    );
    let side = SIDE.to_be_bytes();
    boxed(
        *b"avc1",
        &[
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0; 16],
            &side,
            &side,
            // 72 dots per inch, one frame per sample, no name, 24 bits.
            &words(&[0x48_0000, 0x48_0000, 0]),
            &[0, 1],
            &[0; 32],
            &[0, 24, 0xff, 0xff],
            &configuration,
        ],
    )
}

/// Constrained baseline, level 1, one macroblock.
fn sequence_parameters() -> Vec<u8> {
    let mut bits = Bits::after(&[0x67, 66, 0xc0, 10]);
    // Id, frame numbers of 4 bits, order of decoding, no reference frames.
    for value in [0, 0, 2, 0] {
        bits.golomb(value);
    }
    bits.push(0, 1);
    bits.golomb(0);
    bits.golomb(0);
    // Frames only, direct inference; no cropping and no further information.
    bits.push(0b1100, 4);
    bits.end()
}

fn picture_parameters() -> Vec<u8> {
    let mut bits = Bits::after(&[0x68]);
    bits.golomb(0);
    bits.golomb(0);
    bits.push(0b00, 2);
    for _ in 0..3 {
        bits.golomb(0);
    }
    bits.push(0b000, 3);
    for _ in 0..3 {
        bits.golomb(0);
    }
    bits.push(0b000, 3);
    bits.end()
}

/// A picture that can be decoded by itself: one macroblock of plain samples (`I_PCM`).
fn sample(number: u32, grey: u8) -> Vec<u8> {
    let mut bits = Bits::after(&[0x65]);
    // The first macroblock, a slice of kind I, picture parameters 0, and frame number 0.
    for value in [0, 7, 0] {
        bits.golomb(value);
    }
    bits.push(0, 4);
    bits.golomb(number);
    bits.push(0b00, 2);
    // The same quantizer; I_PCM.
    bits.golomb(0);
    bits.golomb(25);
    bits.align();
    for index in 0..SAMPLES {
        bits.push(u32::from(if index < 256 { grey } else { 128 }), 8);
    }
    let unit = bits.end();
    [length(&unit).to_be_bytes().as_slice(), &unit].concat()
}

/// A box: its length, its name and its content.
fn boxed(name: [u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    [(length(&content) + 8).to_be_bytes().as_slice(), &name, &content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Bits, written from the highest of each byte.
struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are used; 8 at the start of a byte.
    used: u32,
}

impl Bits {
    fn after(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), used: 8 }
    }

    /// Appends the lowest `count` bits of `value`.
    fn push(&mut self, value: u32, count: u32) {
        for index in (0..count).rev() {
            if self.used == 8 {
                self.bytes.push(0);
                self.used = 0;
            }
            if let Some(last) = self.bytes.last_mut()
                && value >> index & 1 == 1
            {
                *last |= 0x80 >> self.used;
            }
            self.used += 1;
        }
    }

    /// Appends a number in the exponential Golomb code.
    fn golomb(&mut self, value: u32) {
        let width = 32 - (value + 1).leading_zeros();
        self.push(0, width - 1);
        self.push(value + 1, width);
    }

    /// Fills the byte with zeros.
    fn align(&mut self) {
        self.push(0, 8 - self.used);
    }

    /// Appends the bit that ends a unit, and fills the byte.
    fn end(mut self) -> Vec<u8> {
        self.push(1, 1);
        self.align();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The boxes of a level, by name and content; they must fill it exactly.
    fn boxes(mut bytes: &[u8]) -> Vec<(&str, &[u8])> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = u32::from_be_bytes(bytes[..4].try_into().expect("four bytes")) as usize;
            found.push((str::from_utf8(&bytes[4..8]).expect("a name"), &bytes[8..length]));
            bytes = &bytes[length..];
        }
        found
    }

    fn within<'b>(bytes: &'b [u8], path: &[&str]) -> &'b [u8] {
        path.iter().fold(bytes, |bytes, name| {
            boxes(bytes).into_iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1
        })
    }

    #[test]
    fn the_index_points_at_each_picture() {
        let file = video();
        let names: Vec<_> = boxes(&file).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ftyp", "moov", "mdat"]);
        let table = within(&file, &["moov", "trak", "mdia", "minf", "stbl"]);
        let word = |bytes: &[u8], index: usize| {
            u32::from_be_bytes(bytes[index * 4..index * 4 + 4].try_into().expect("four bytes")) as usize
        };
        let (mut at, sizes) = (word(within(table, &["stco"]), 2), within(table, &["stsz"]));
        assert_eq!(word(sizes, 2), PICTURES.len());
        for (index, grey) in PICTURES.into_iter().enumerate() {
            let size = word(sizes, 3 + index);
            let sample = &file[at..at + size];
            assert_eq!((word(sample, 0), sample[4]), (size - 4, 0x65));
            assert_eq!(sample.iter().filter(|byte| **byte == grey).count(), 256);
            at += size;
        }
        assert_eq!(at, file.len());
    }

    #[test]
    fn a_number_is_written_in_its_code() {
        let mut bits = Bits::after(&[]);
        for value in [0, 1, 2, 7] {
            bits.golomb(value);
        }
        // 1 010 011 0001000, and the end.
        assert_eq!(bits.end(), [0b1010_0110, 0b0010_0010]);
    }
}
