//! Reads the pickles inside PyTorch archives: enough of the format to find named tensors, and no more.
//!
//! Nothing in the file is run: an unknown class stays an unnamed object. Values lie in one list and
//! refer to each other by index, so that a hostile file can build a loop but not a deep recursion.

use std::collections::{BTreeMap, HashMap};

use tch::Kind;
use thiserror::Error;

/// Names deeper than this are no module's; a loop in the file ends here.
const DEEPEST_NAME: usize = 32;
/// Values looked at while names are collected; `RN50x64` has about ten thousand.
const MOST_VALUES: usize = 1 << 20;

/// Why a pickle cannot be read.
#[derive(Debug, Error)]
pub(crate) enum PickleError {
    #[error("the pickle ends too early")]
    Truncated,
    #[error("the pickle has the unknown instruction {0:#04x}")]
    UnknownInstruction(u8),
    #[error("the pickle takes a value from an empty stack")]
    EmptyStack,
    #[error("the pickle has too many values")]
    TooManyValues,
}

/// Where a tensor's numbers lie in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTensor {
    /// Name of the storage inside the archive's data folder.
    pub(crate) storage: String,
    /// Kind of its numbers; absent for kinds that are not floats.
    pub(crate) kind: Option<Kind>,
    /// First number, counted from the start of the storage.
    pub(crate) offset: i64,
    /// Sides.
    pub(crate) shape: Vec<i64>,
    /// Steps in the storage from one number to the next along each side.
    pub(crate) strides: Vec<i64>,
}

type Index = usize;

#[derive(Debug, Clone)]
enum Value {
    Other,
    Integer(i64),
    Text(String),
    Class(String),
    Sequence(Vec<Index>),
    /// A dictionary or an object with named fields.
    Fields(Vec<(Index, Index)>),
    Storage(String, Option<Kind>),
    Tensor(StoredTensor),
}

/// All tensors that can be reached from the pickle's value by named fields, under their dotted names.
pub(crate) fn read_tensors(bytes: &[u8]) -> Result<BTreeMap<String, StoredTensor>, PickleError> {
    let mut machine = Machine::new(bytes);
    let root = machine.run()?;
    machine.collect(root)
}

struct Machine<'bytes> {
    bytes: &'bytes [u8],
    values: Vec<Value>,
    stack: Vec<Index>,
    marks: Vec<usize>,
    memo: HashMap<u64, Index>,
}

impl<'bytes> Machine<'bytes> {
    fn new(bytes: &'bytes [u8]) -> Self {
        Self {
            bytes,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    fn run(&mut self) -> Result<Index, PickleError> {
        loop {
            match self.byte()? {
                b'.' => return self.pop(),
                code => self.step(code)?,
            }
        }
    }

    fn step(&mut self, code: u8) -> Result<(), PickleError> {
        match code {
            0x80 => self.skip(1),
            0x95 => self.skip(8),
            b'N' | 0x88 | 0x89 => self.push(Value::Other),
            b'G' => self.skip(8).and_then(|()| self.push(Value::Other)),
            b'J' | b'K' | b'M' | 0x8a => self.integer(code),
            b'X' | b'T' | 0x8c | b'U' => self.text(code),
            b'c' | 0x93 => self.class(code),
            b')' | b']' => self.push(Value::Sequence(Vec::new())),
            b'}' => self.push(Value::Fields(Vec::new())),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b't' | 0x85 | 0x86 | 0x87 => self.tuple(code),
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(code),
            b'a' | b'e' | b's' | b'u' => self.fill(code),
            0x81 | b'R' => self.call(),
            b'b' => self.build(),
            b'Q' => self.storage(),
            b'0' => self.pop().map(drop),
            unknown => Err(PickleError::UnknownInstruction(unknown)),
        }
    }

    fn integer(&mut self, code: u8) -> Result<(), PickleError> {
        let count = match code {
            b'J' => 4,
            b'K' => 1,
            b'M' => 2,
            _ => usize::from(self.byte()?),
        };
        let bytes = self.take(count)?;
        let value = match code {
            b'J' => i64::from(unsigned(bytes) as u32 as i32),
            0x8a => signed(bytes),
            _ => unsigned(bytes) as i64,
        };
        self.push(Value::Integer(value))
    }

    fn text(&mut self, code: u8) -> Result<(), PickleError> {
        let width = if code == b'X' || code == b'T' { 4 } else { 1 };
        let length = unsigned(self.take(width)?) as usize;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text))
    }

    fn class(&mut self, code: u8) -> Result<(), PickleError> {
        let (name, module) = if code == b'c' {
            let module = self.line()?;
            (self.line()?, module)
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            (self.text_of(name), self.text_of(module))
        };
        self.push(Value::Class(format!("{module}.{name}")))
    }

    fn tuple(&mut self, code: u8) -> Result<(), PickleError> {
        let start = match code {
            b't' => self.marks.pop().ok_or(PickleError::EmptyStack)?,
            short => {
                let count = usize::from(short - 0x84);
                self.stack
                    .len()
                    .checked_sub(count)
                    .ok_or(PickleError::EmptyStack)?
            }
        };
        let parts = self.take_from(start)?;
        self.push(Value::Sequence(parts))
    }

    fn remember(&mut self, code: u8) -> Result<(), PickleError> {
        let key = match code {
            b'q' | b'h' => u64::from(self.byte()?),
            b'r' | b'j' => unsigned(self.take(4)?),
            _ => self.memo.len() as u64,
        };
        if code == b'h' || code == b'j' {
            let value = *self.memo.get(&key).ok_or(PickleError::EmptyStack)?;
            self.stack.push(value);
        } else {
            let value = *self.stack.last().ok_or(PickleError::EmptyStack)?;
            self.memo.insert(key, value);
        }
        Ok(())
    }

    /// Appends to a list, or sets the fields of a dictionary.
    fn fill(&mut self, code: u8) -> Result<(), PickleError> {
        let start = match code {
            b'a' => self.stack.len().checked_sub(1),
            b's' => self.stack.len().checked_sub(2),
            _ => self.marks.pop(),
        };
        let parts = self.take_from(start.ok_or(PickleError::EmptyStack)?)?;
        let target = *self.stack.last().ok_or(PickleError::EmptyStack)?;
        match &mut self.values[target] {
            Value::Sequence(list) => list.extend(parts),
            Value::Fields(fields) => {
                fields.extend(parts.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            _ => {}
        }
        Ok(())
    }

    /// Calls a class with arguments; only the makers of tensors and of dictionaries mean something.
    fn call(&mut self) -> Result<(), PickleError> {
        let arguments = self.pop()?;
        let class = self.pop()?;
        let class = match &self.values[class] {
            Value::Class(name) => name.clone(),
            _ => String::new(),
        };
        let value = match class.as_str() {
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                self.tensor(arguments)
            }
            "torch._utils._rebuild_parameter" => self
                .parts(arguments)
                .first()
                .map(|&first| self.values[first].clone()),
            _ => None,
        };
        self.push(value.unwrap_or(Value::Fields(Vec::new())))
    }

    fn tensor(&self, arguments: Index) -> Option<Value> {
        let [storage, offset, shape, strides, ..] = *self.parts(arguments) else {
            return None;
        };
        let Value::Storage(name, kind) = &self.values[storage] else {
            return None;
        };
        let Value::Integer(offset) = self.values[offset] else {
            return None;
        };
        let (shape, strides) = (self.integers(shape)?, self.integers(strides)?);
        Some(Value::Tensor(StoredTensor {
            storage: name.clone(),
            kind: *kind,
            offset,
            shape,
            strides,
        }))
    }

    /// Gives an object its state, a dictionary of fields.
    fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let object = *self.stack.last().ok_or(PickleError::EmptyStack)?;
        if let Value::Fields(state) = self.values[state].clone()
            && let Value::Fields(fields) = &mut self.values[object]
        {
            fields.extend(state);
        }
        Ok(())
    }

    /// A storage is named by the tuple `("storage", class, key, place, length)`.
    fn storage(&mut self) -> Result<(), PickleError> {
        let id = self.pop()?;
        let value = match *self.parts(id) {
            [_, class, key, ..] => {
                let kind = match &self.values[class] {
                    Value::Class(name) => storage_kind(name),
                    _ => None,
                };
                Value::Storage(self.text_of(key), kind)
            }
            _ => Value::Other,
        };
        self.push(value)
    }

    fn collect(&self, root: Index) -> Result<BTreeMap<String, StoredTensor>, PickleError> {
        let mut found = BTreeMap::new();
        let mut open = vec![(String::new(), root, 0)];
        let mut seen = 0;
        while let Some((name, value, depth)) = open.pop() {
            seen += 1;
            if seen + open.len() > MOST_VALUES {
                return Err(PickleError::TooManyValues);
            }
            match &self.values[value] {
                Value::Tensor(tensor) => drop(found.insert(name, tensor.clone())),
                Value::Fields(fields) if depth < DEEPEST_NAME => {
                    open.extend(
                        fields
                            .iter()
                            .map(|&(key, value)| (self.join(&name, key), value, depth + 1)),
                    );
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn join(&self, name: &str, key: Index) -> String {
        let key = self.text_of(key);
        if name.is_empty() {
            key
        } else {
            format!("{name}.{key}")
        }
    }

    fn text_of(&self, index: Index) -> String {
        match &self.values[index] {
            Value::Text(text) => text.clone(),
            _ => String::new(),
        }
    }

    fn parts(&self, index: Index) -> &[Index] {
        match &self.values[index] {
            Value::Sequence(parts) => parts,
            _ => &[],
        }
    }

    fn integers(&self, index: Index) -> Option<Vec<i64>> {
        let integer = |&part: &Index| match self.values[part] {
            Value::Integer(value) => Some(value),
            _ => None,
        };
        self.parts(index).iter().map(integer).collect()
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        if self.values.len() >= MOST_VALUES {
            return Err(PickleError::TooManyValues);
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Index, PickleError> {
        self.stack.pop().ok_or(PickleError::EmptyStack)
    }

    fn take_from(&mut self, start: usize) -> Result<Vec<Index>, PickleError> {
        if start > self.stack.len() {
            return Err(PickleError::EmptyStack);
        }
        Ok(self.stack.split_off(start))
    }

    fn take(&mut self, count: usize) -> Result<&'bytes [u8], PickleError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(PickleError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn skip(&mut self, count: usize) -> Result<(), PickleError> {
        self.take(count).map(drop)
    }

    fn line(&mut self) -> Result<String, PickleError> {
        let end = self
            .bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(PickleError::Truncated)?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.skip(1)?;
        Ok(line)
    }
}

/// Little-endian, at most eight bytes of it.
fn unsigned(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .rev()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// Little-endian in two's complement, at most eight bytes of it.
fn signed(bytes: &[u8]) -> i64 {
    let missing = 64 - 8 * bytes.len().min(8) as u32;
    let shifted = unsigned(bytes).checked_shl(missing).unwrap_or(0) as i64;
    shifted.checked_shr(missing).unwrap_or(0)
}

fn storage_kind(class: &str) -> Option<Kind> {
    match class.rsplit('.').next()? {
        "HalfStorage" => Some(Kind::Half),
        "BFloat16Storage" => Some(Kind::BFloat16),
        "FloatStorage" => Some(Kind::Float),
        "DoubleStorage" => Some(Kind::Double),
        _ => None,
    }
}
