//! Protocol buffers by hand, for the messages that can be large: fields as slices of the bytes that
//! came in, and a writer that knows lengths before it writes. Nothing here can be made to allocate
//! by what is read.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_varint, encode_varint, encoded_len_varint},
};

/// A message as its bytes: one that came in and is not decoded yet, or one that goes out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoded(pub(crate) Bytes);

impl Message for Encoded {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    /// Takes the bytes as they are; whether they are a message is for the decoder to say.
    fn decode(mut buf: impl Buf) -> Result<Self, DecodeError> {
        Ok(Self(buf.copy_to_bytes(buf.remaining())))
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: WireType,
        _: &mut impl Buf,
        _: DecodeContext,
    ) -> Result<(), DecodeError> {
        unreachable!("it is never a part of another message, and decodes as a whole")
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// The bytes are no message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// The value of a field.
#[derive(Debug)]
pub(super) enum Value {
    Number(u64),
    Bytes(Bytes),
    /// Of a kind that no field of the interface has.
    Other,
}

impl Value {
    pub(super) fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(number) => Ok(number),
            _ => Err(Malformed("a field that is a number has a value of another kind")),
        }
    }

    pub(super) fn bytes(self) -> Result<Bytes, Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed("a field that is text or a message has a value of another kind")),
        }
    }
}

/// The fields of a message, in the order in which they stand.
pub(super) struct Fields(Bytes);

impl Fields {
    pub(super) fn of(message: Bytes) -> Self {
        Self(message)
    }

    /// The next field's number and value.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        if key > u64::from(u32::MAX) {
            return Err(Malformed("a field has a number beyond those that there are"));
        }
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                if len > self.0.len() {
                    return Err(Malformed("a field is longer than the message that it is in"));
                }
                Value::Bytes(self.0.split_to(len))
            }
            5 => self.skip(4)?,
            _ => return Err(Malformed("a field has a wire type that the interface does not use")),
        };
        if key >> 3 == 0 {
            return Err(Malformed("a field has the number 0"));
        }
        Ok(Some((key >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        decode_varint(&mut self.0).map_err(|_| Malformed("a number is cut off or too long"))
    }

    fn skip(&mut self, len: usize) -> Result<Value, Malformed> {
        if len > self.0.len() {
            return Err(Malformed("a field is longer than the message that it is in"));
        }
        self.0.advance(len);
        Ok(Value::Other)
    }
}

/// Bytes that a field of this length takes, its key and length included. All fields of the
/// interface have numbers below 16, so a key is one byte.
pub(super) fn delimited_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

/// Bytes that a number takes, its key included.
pub(super) fn number_len(number: u64) -> usize {
    1 + encoded_len_varint(number)
}

/// Writes the key and the length of a field whose bytes follow.
pub(super) fn put_delimiter(out: &mut BytesMut, field: u8, len: usize) {
    out.put_u8(field << 3 | 2);
    encode_varint(len as u64, out);
}

/// Writes a field of bytes or text.
pub(super) fn put_bytes(out: &mut BytesMut, field: u8, bytes: &[u8]) {
    put_delimiter(out, field, bytes.len());
    out.put_slice(bytes);
}

/// Writes a field that is a number.
pub(super) fn put_number(out: &mut BytesMut, field: u8, number: u64) {
    out.put_u8(field << 3);
    encode_varint(number, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_has_the_length_that_was_said() {
        let mut out = BytesMut::new();
        put_bytes(&mut out, 3, b"abc");
        put_number(&mut out, 15, u64::MAX);
        assert_eq!(out.len(), delimited_len(3) + number_len(u64::MAX));
        let mut fields = Fields::of(out.freeze());
        let (number, value) = fields.next().expect("is whole").expect("is there");
        assert_eq!((number, value.bytes().expect("are bytes")), (3, Bytes::from_static(b"abc")));
        let (number, value) = fields.next().expect("is whole").expect("is there");
        assert_eq!((number, value.number()), (15, Ok(u64::MAX)));
        assert!(fields.next().expect("is whole").is_none());
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&b"\x80"[..], b"\x0a\x05abc", b"\x09\x01", b"\x0b", b"\x00\x00", b"\x0d\x01"]
        {
            assert!(Fields::of(Bytes::from_static(bytes)).next().is_err(), "{bytes:?}");
        }
    }
}
