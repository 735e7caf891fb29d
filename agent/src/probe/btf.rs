//! Just enough of the kernel's BTF to find struct members and tracepoint arguments.
//!
//! aya keeps members private, and the one crate that reads them is LGPL; the format is small and
//! stable (Documentation/bpf/btf.rst).

use std::{collections::HashMap, sync::Arc};

use thiserror::Error;

/// Why a question to BTF has no answer.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    /// Not BTF, or cut short.
    #[error("malformed BTF: {0}")]
    Malformed(&'static str),
    /// No struct of this name.
    #[error("kernel BTF has no struct {0}")]
    NoStruct(String),
    /// The struct has no such member.
    #[error("kernel BTF has no member {member} in struct {name}")]
    NoMember {
        /// Struct.
        name: String,
        /// Member path.
        member: String,
    },
    /// No such tracepoint.
    #[error("kernel BTF has no tracepoint {0}")]
    NoTracepoint(String),
    /// No enum has such an enumerator.
    #[error("kernel BTF has no enumerator {0}")]
    NoEnumerator(String),
}

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// Chains of typedefs and qualifiers are a handful long; BTF from elsewhere may loop.
const MAX_CHAIN: usize = 32;

/// Type information of the kernel, or of one of its modules, indexed for look-ups by name. A
/// module's continues the kernel's: places of bytes, type ids and names count on from it.
pub struct Btf {
    base: Option<Arc<Self>>,
    bytes: Vec<u8>,
    /// Place of the first byte.
    start: usize,
    /// Place of the names.
    strings: usize,
    /// Length of the names, with those of the base.
    string_bytes: usize,
    first_type: usize,
    /// Place of each type; the kernel's type 0 is void.
    types: Vec<usize>,
    structs: HashMap<Vec<u8>, u32>,
    tracepoints: HashMap<Vec<u8>, u32>,
}

impl Btf {
    /// Parses the contents of `/sys/kernel/btf/vmlinux`.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        Self::index(bytes, None)
    }

    /// Parses the contents of `/sys/kernel/btf/MODULE`; `base` is the kernel's.
    pub fn parse_module(bytes: Vec<u8>, base: &Arc<Self>) -> Result<Self, BtfError> {
        Self::index(bytes, Some(Arc::clone(base)))
    }

    fn index(bytes: Vec<u8>, base: Option<Arc<Self>>) -> Result<Self, BtfError> {
        let (start, first_type) =
            base.as_ref().map_or((0, 0), |base| (base.end(), base.next_type()));
        let types = if base.is_none() { vec![0] } else { Vec::new() };
        let mut btf = Self {
            base,
            bytes,
            start,
            strings: 0,
            string_bytes: 0,
            first_type,
            types,
            structs: HashMap::new(),
            tracepoints: HashMap::new(),
        };
        if btf.bytes.get(..2) != Some(0xeb9f_u16.to_ne_bytes().as_slice()) {
            return Err(BtfError::Malformed("no BTF magic"));
        }
        btf.index_types()?;
        Ok(btf)
    }

    fn index_types(&mut self) -> Result<(), BtfError> {
        let field = |at: usize| self.word(self.start + at).map(|word| word as usize);
        let header = self.start + field(4)?;
        let (types, length) = (field(8)?, field(12)?);
        let (strings, string_bytes) = (field(16)?, field(20)?);
        self.strings = header + strings;
        self.string_bytes = self.first_string() + string_bytes;
        let (mut at, end) = (header + types, header + types + length);
        while at < end {
            let id =
                u32::try_from(self.next_type()).map_err(|_| BtfError::Malformed("too long"))?;
            self.types.push(at);
            let (kind, members) = (self.kind_at(at)?, self.word(at + 4)? & 0xffff);
            if kind == KIND_STRUCT && members > 0 {
                let name = self.name_at(at)?.to_vec();
                self.structs.entry(name).or_insert(id);
            } else if kind == KIND_TYPEDEF
                && let Some(name) = self.name_at(at)?.strip_prefix(b"btf_trace_")
            {
                let name = name.to_vec();
                self.tracepoints.insert(name, id);
            }
            at += 12 + tail_length(kind, members as usize)?;
        }
        Ok(())
    }

    const fn end(&self) -> usize {
        self.start + self.bytes.len()
    }

    const fn next_type(&self) -> usize {
        self.first_type + self.types.len()
    }

    fn first_string(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.string_bytes)
    }

    /// Byte offset of a member path such as `i_dentry.first`, through anonymous structs and unions.
    pub fn member_offset(&self, name: &str, path: &str) -> Result<u64, BtfError> {
        let missing = || BtfError::NoMember { name: name.to_owned(), member: path.to_owned() };
        let mut id = *self
            .structs
            .get(name.as_bytes())
            .ok_or_else(|| BtfError::NoStruct(name.to_owned()))?;
        let mut bits = 0;
        for member in path.split('.') {
            let (offset, member_type) =
                self.member(id, member.as_bytes(), 0)?.ok_or_else(missing)?;
            bits += offset;
            id = self.resolve(member_type)?;
        }
        Ok(bits / 8)
    }

    /// Whether argument `n` of the tracepoint is a pointer (else a number).
    pub fn tracepoint_argument_is_pointer(&self, name: &str, n: usize) -> Result<bool, BtfError> {
        let missing = || BtfError::NoTracepoint(name.to_owned());
        let typedef = *self.tracepoints.get(name.as_bytes()).ok_or_else(missing)?;
        let pointer = self.resolve(typedef)?;
        let proto = self.at(self.resolve(self.word(self.at(pointer)? + 8)?)?)?;
        // The first parameter is the probe's private data.
        if self.kind_at(proto)? != KIND_FUNC_PROTO
            || self.word(proto + 4)? & 0xffff <= u32::try_from(n + 1).unwrap_or(u32::MAX)
        {
            return Err(missing());
        }
        let argument = self.resolve(self.word(proto + 12 + 8 * (n + 1) + 4)?)?;
        Ok(self.kind_at(self.at(argument)?)? == KIND_PTR)
    }

    /// Value of an enumerator of whatever enum of 32 bits.
    pub fn enumerator(&self, name: &str) -> Result<u64, BtfError> {
        // Void has no place.
        for &at in self.types.iter().filter(|at| **at != 0) {
            if self.kind_at(at)? != KIND_ENUM {
                continue;
            }
            for member in 0..(self.word(at + 4)? & 0xffff) as usize {
                let at = at + 12 + 8 * member;
                if self.name_at(at)? == name.as_bytes() {
                    return Ok(self.word(at + 4)?.into());
                }
            }
        }
        Err(BtfError::NoEnumerator(name.to_owned()))
    }

    /// Bit offset and type of a member of `id`, looking into anonymous members.
    fn member(&self, id: u32, name: &[u8], depth: usize) -> Result<Option<(u64, u32)>, BtfError> {
        let at = self.at(id)?;
        let info = self.word(at + 4)?;
        if !matches!(self.kind_at(at)?, KIND_STRUCT | KIND_UNION) || depth > MAX_CHAIN {
            return Ok(None);
        }
        // With the kind flag set, the upper byte of an offset is a bit-field size.
        let mask = if info >> 31 == 1 { 0xff_ffff } else { u32::MAX };
        for member in 0..(info & 0xffff) as usize {
            let at = at + 12 + 12 * member;
            let (member_type, offset) = (self.word(at + 4)?, u64::from(self.word(at + 8)? & mask));
            let member_name = self.name_at(at)?;
            if member_name == name {
                return Ok(Some((offset, member_type)));
            }
            if member_name.is_empty()
                && let Some((inner, found)) =
                    self.member(self.resolve(member_type)?, name, depth + 1)?
            {
                return Ok(Some((offset + inner, found)));
            }
        }
        Ok(None)
    }

    /// Follows typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> Result<u32, BtfError> {
        for _ in 0..MAX_CHAIN {
            let at = self.at(id)?;
            match self.kind_at(at)? {
                KIND_TYPEDEF..=KIND_RESTRICT | KIND_TYPE_TAG => id = self.word(at + 8)?,
                _ => return Ok(id),
            }
        }
        Err(BtfError::Malformed("type chain without end"))
    }

    fn at(&self, id: u32) -> Result<usize, BtfError> {
        match (&self.base, (id as usize).checked_sub(self.first_type)) {
            (Some(base), None) => base.at(id),
            (_, index) => {
                let at = index.and_then(|index| self.types.get(index)).filter(|_| id != 0);
                at.copied().ok_or(BtfError::Malformed("type id out of range"))
            }
        }
    }

    fn kind_at(&self, at: usize) -> Result<u32, BtfError> {
        Ok(self.word(at + 4)? >> 24 & 0x1f)
    }

    fn name_at(&self, at: usize) -> Result<&[u8], BtfError> {
        self.name(self.word(at)? as usize)
    }

    fn name(&self, offset: usize) -> Result<&[u8], BtfError> {
        match (&self.base, offset.checked_sub(self.first_string())) {
            (Some(base), None) => base.name(offset),
            (_, own) => {
                let start = (self.strings - self.start) + own.unwrap_or(0);
                let rest =
                    self.bytes.get(start..).ok_or(BtfError::Malformed("name out of range"))?;
                rest.split(|byte| *byte == 0).next().ok_or(BtfError::Malformed("name without end"))
            }
        }
    }

    fn word(&self, at: usize) -> Result<u32, BtfError> {
        match (&self.base, at.checked_sub(self.start)) {
            (Some(base), None) => base.word(at),
            (_, own) => {
                let bytes = own.and_then(|at| self.bytes.get(at..at.checked_add(4)?));
                let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
                bytes.map(u32::from_ne_bytes).ok_or(BtfError::Malformed("cut short"))
            }
        }
    }
}

/// Bytes behind the three words that every type starts with.
fn tail_length(kind: u32, members: usize) -> Result<usize, BtfError> {
    Ok(match kind {
        KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * members,
        KIND_ENUM | KIND_FUNC_PROTO => 8 * members,
        0 | 20.. => return Err(BtfError::Malformed("unknown kind")),
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRINGS: &[u8] = b"\0inner\0outer\0a\0b\0btf_trace_t\0int\0FEW\0MANY\0";

    fn encode(words: &[u32], strings: &[u8]) -> Vec<u8> {
        let types: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        let length = u32::try_from(types.len()).unwrap();
        for word in [24, 0, length, length, u32::try_from(strings.len()).unwrap()] {
            bytes.extend(word.to_ne_bytes());
        }
        [bytes, types, strings.to_vec()].concat()
    }

    /// int(1); struct inner { int a; } (2); struct outer { [anonymous at byte 8: struct inner] (3),
    /// ptr (4), func_proto(void *, inner *, int) (5), ptr to it (6), typedef btf_trace_t (7),
    /// enum { FEW = 3, MANY = 0x8000 } (8).
    fn sample() -> Vec<u8> {
        let name = |s: &str| {
            let at = STRINGS.windows(s.len() + 1).position(|w| w == [s.as_bytes(), b"\0"].concat());
            u32::try_from(at.unwrap()).unwrap()
        };
        let words: Vec<u32> = [
            vec![name("int"), 1 << 24, 4, 32],
            vec![name("inner"), 4 << 24 | 1, 4, name("a"), 1, 0],
            vec![name("outer"), 4 << 24 | 2, 16, name("b"), 2, 0, 0, 2, 64],
            vec![0, 2 << 24, 2],
            vec![0, 13 << 24 | 3, 0, 0, 4, 0, 4, 0, 1],
            vec![0, 2 << 24, 5],
            vec![name("btf_trace_t"), 8 << 24, 6],
            vec![0, 6 << 24 | 2, 4, name("FEW"), 3, name("MANY"), 0x8000],
        ]
        .concat();
        encode(&words, STRINGS)
    }

    /// struct module { int a; struct inner { … } m; } (9), ptr (10), func_proto(void *, module *) (11),
    /// ptr to it (12), typedef btf_trace_of_module (13).
    fn module_sample() -> Vec<u8> {
        let own = b"\0module\0m\0btf_trace_of_module\0";
        let name = |at: usize| u32::try_from(STRINGS.len() + at).unwrap();
        let a = u32::try_from(STRINGS.windows(3).position(|w| w == b"\0a\0").unwrap() + 1).unwrap();
        let words: Vec<u32> = [
            vec![name(1), 4 << 24 | 2, 8, a, 1, 0, name(8), 2, 32],
            vec![0, 2 << 24, 9],
            vec![0, 13 << 24 | 2, 0, 0, 4, 0, 10],
            vec![0, 2 << 24, 11],
            vec![name(10), 8 << 24, 12],
        ]
        .concat();
        encode(&words, own)
    }

    #[test]
    fn members_are_found_also_in_anonymous_structs() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.member_offset("inner", "a"), Ok(0));
        assert_eq!(btf.member_offset("outer", "a"), Ok(8));
        assert_eq!(btf.member_offset("outer", "b.a"), Ok(0));
    }

    #[test]
    fn a_module_goes_on_where_the_kernel_ends() {
        let kernel = Arc::new(Btf::parse(sample()).unwrap());
        let module = Btf::parse_module(module_sample(), &kernel).unwrap();
        assert_eq!(module.member_offset("module", "a"), Ok(0));
        assert_eq!(module.member_offset("module", "m.a"), Ok(4), "through a struct of the kernel");
        assert_eq!(module.tracepoint_argument_is_pointer("of_module", 0), Ok(true));
        assert!(module.member_offset("inner", "a").is_err(), "the kernel's own are asked of it");
        assert!(kernel.member_offset("module", "a").is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let btf = Btf::parse(sample()).unwrap();
        let error = |r: Result<u64, BtfError>| r.unwrap_err().to_string();
        assert_eq!(error(btf.member_offset("nope", "a")), "kernel BTF has no struct nope");
        assert_eq!(
            error(btf.member_offset("outer", "b.z")),
            "kernel BTF has no member b.z in struct outer"
        );
    }

    #[test]
    fn enumerators_have_their_values() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.enumerator("FEW"), Ok(3));
        assert_eq!(btf.enumerator("MANY"), Ok(0x8000));
        let error = btf.enumerator("NONE").unwrap_err();
        assert_eq!(error.to_string(), "kernel BTF has no enumerator NONE");
    }

    #[test]
    fn tracepoint_arguments_are_told_apart() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.tracepoint_argument_is_pointer("t", 0), Ok(true));
        assert_eq!(btf.tracepoint_argument_is_pointer("t", 1), Ok(false));
        assert!(btf.tracepoint_argument_is_pointer("t", 2).is_err());
        assert!(btf.tracepoint_argument_is_pointer("u", 0).is_err());
    }

    #[test]
    fn garbage_is_refused_without_panic() {
        assert!(Btf::parse(vec![]).is_err());
        assert!(Btf::parse(b"not btf at all, really".to_vec()).is_err());
        for length in 0..sample().len() {
            let mut cut = sample();
            cut.truncate(length);
            if let Ok(btf) = Btf::parse(cut) {
                let _ = btf.member_offset("outer", "a");
                let _ = btf.tracepoint_argument_is_pointer("t", 0);
            }
        }
        let kernel = Arc::new(Btf::parse(sample()).unwrap());
        for length in 0..module_sample().len() {
            let mut cut = module_sample();
            cut.truncate(length);
            if let Ok(btf) = Btf::parse_module(cut, &kernel) {
                let _ = btf.member_offset("module", "m.a");
                let _ = btf.tracepoint_argument_is_pointer("of_module", 0);
            }
        }
    }
}
