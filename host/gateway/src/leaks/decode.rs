//! Undoing `Content-Encoding`. The host asks for none; a server that compresses all the same is understood, so that what it
//! sends can be looked through, and what is not understood is refused.

use std::io::Write as _;

use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// So much is decoded at once, in bytes: a compressed piece may become a thousand times as long.
pub(crate) const SLICE: usize = 4 << 10;
/// Brotli's buffer, in bytes.
const BUFFER: usize = 4 << 10;

/// Why a body cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is in an encoding that was not asked for and is not known, or in several.
    #[error("the answer is encoded as `{0}`, which was not asked for and cannot be looked through")]
    Unknown(String),
    /// It is not what it says it is.
    #[error("the answer is no valid {0}")]
    Garbled(&'static str),
}

/// A body that is decoded piece by piece.
pub(crate) struct Decoder {
    coding: Coding,
    /// Nothing came yet: the answer to a `HEAD` has a coding and no body.
    empty: bool,
}

enum Coding {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Vec<u8>>>),
}

impl Decoder {
    /// What a response's headers ask for; none where its body is as it is.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, DecodeError> {
        let mut names = Vec::new();
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            names.extend(text.split(',').map(|name| name.trim().to_owned()));
        }
        names.retain(|name| !name.is_empty() && name != "identity");
        let coding = match names.first().map(String::as_str) {
            None => return Ok(None),
            Some("gzip" | "x-gzip") => Coding::Gzip(MultiGzDecoder::new(Vec::new())),
            Some("deflate") => Coding::Deflate(ZlibDecoder::new(Vec::new())),
            Some("br") => Coding::Brotli(Box::new(brotli_decompressor::DecompressorWriter::new(Vec::new(), BUFFER))),
            Some(_) => return Err(unknown(&names)),
        };
        // Codings over one another multiply what a small body can become; nobody sends them.
        if names.len() > 1 { Err(unknown(&names)) } else { Ok(Some(Self { coding, empty: true })) }
    }

    /// What a piece of the body is.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Vec<u8>, DecodeError> {
        self.empty &= piece.is_empty();
        let name = self.name();
        let garbled = |_| DecodeError::Garbled(name);
        Ok(match &mut self.coding {
            Coding::Gzip(decoder) => {
                decoder.write_all(piece).map_err(garbled)?;
                std::mem::take(decoder.get_mut())
            }
            Coding::Deflate(decoder) => {
                decoder.write_all(piece).map_err(garbled)?;
                std::mem::take(decoder.get_mut())
            }
            Coding::Brotli(decoder) => {
                decoder.write_all(piece).map_err(garbled)?;
                std::mem::take(decoder.get_mut())
            }
        })
    }

    /// What there is left, now that the body has ended.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, DecodeError> {
        if self.empty {
            return Ok(Vec::new());
        }
        let name = self.name();
        let garbled = |_| DecodeError::Garbled(name);
        Ok(match &mut self.coding {
            Coding::Gzip(decoder) => {
                decoder.try_finish().map_err(garbled)?;
                std::mem::take(decoder.get_mut())
            }
            Coding::Deflate(decoder) => {
                decoder.try_finish().map_err(garbled)?;
                std::mem::take(decoder.get_mut())
            }
            Coding::Brotli(decoder) => {
                decoder.close().map_err(garbled)?;
                std::mem::take(decoder.get_mut())
            }
        })
    }

    fn name(&self) -> &'static str {
        match self.coding {
            Coding::Gzip(_) => "gzip",
            Coding::Deflate(_) => "deflate",
            Coding::Brotli(_) => "brotli",
        }
    }
}

fn unknown(names: &[String]) -> DecodeError {
    DecodeError::Unknown(names.join(", ").chars().filter(|c| matches!(c, ' '..='~')).take(40).collect())
}

#[cfg(test)]
mod tests {
    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };
    use http::HeaderValue;

    use super::*;

    fn decoder(coding: &'static str) -> Result<Option<Decoder>, DecodeError> {
        Decoder::of(&HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(coding))]))
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn through(decoder: &mut Decoder, bytes: &[u8], size: usize) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        for piece in bytes.chunks(size) {
            out.extend(decoder.push(piece)?);
        }
        out.extend(decoder.finish()?);
        Ok(out)
    }

    #[test]
    fn what_was_compressed_is_decoded_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        let two = [gzip(&text[..1000]), gzip(&text[1000..])].concat();
        // "hello, world" by the reference encoder.
        let brotli = [0x8b, 0x05, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2c, 0x20, 0x77, 0x6f, 0x72, 0x6c, 0x64, 0x03];
        for (coding, bytes, expected) in [
            ("gzip", &gzip(&text)[..], &text[..]),
            ("x-gzip, identity", &two, &text),
            ("Deflate", &zlib.finish().unwrap(), &text),
            ("br", &brotli, b"hello, world"),
        ] {
            for size in [1, 7, SLICE] {
                let mut decoder = decoder(coding).unwrap().unwrap();
                assert_eq!(through(&mut decoder, bytes, size).unwrap(), expected, "{coding} {size}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_garbled_or_in_an_unknown_coding_is_refused() {
        let whole = gzip(b"hello, world");
        for bad in [&whole[..whole.len() - 1], &whole[..12], b"hello, world, this is not compressed"] {
            let mut decoder = decoder("gzip").unwrap().unwrap();
            assert!(through(&mut decoder, bad, 5).is_err(), "{bad:?}");
        }
        for coding in ["zstd", "compress", "gzip, gzip", "gzip, br", "aws-chunked"] {
            assert!(matches!(decoder(coding), Err(DecodeError::Unknown(_))), "{coding}");
        }
        assert!(decoder("identity").unwrap().is_none());
    }

    #[test]
    fn the_answer_to_a_head_has_a_coding_and_no_body() {
        assert_eq!(decoder("gzip").unwrap().unwrap().finish().unwrap(), b"");
    }
}
