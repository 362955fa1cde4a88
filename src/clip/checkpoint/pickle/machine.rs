//! Carries out the instructions of a pickle.

use std::collections::{BTreeMap, HashMap};

use super::operands::{Operands, signed, text, unsigned};
use super::value::{
    Budget, Index, MAX_VALUES, PickleError, StorageInfo, StoredTensor, Value, dtype_numbers,
    storage_info,
};
use crate::clip::checkpoint::source::Numbers;

/// Lengths are written with four bytes in most instructions.
const FOUR: usize = 4;

/// The property of a tensor whose numbers are stored with the opposite sign. It is only there if it is true
/// (`torch/csrc/jit/serialization/pickler.h`, `getTensorMetadata`).
const NEGATIVE_BIT: &str = "neg";

/// The stack machine that a pickle is a program for.
#[derive(Debug)]
pub(super) struct Machine<'bytes> {
    operands: Operands<'bytes>,
    pub(super) values: Vec<Value>,
    /// The value for everything that is not part of any tensor.
    other: Option<Index>,
    stack: Vec<Index>,
    marks: Vec<usize>,
    memo: HashMap<u64, Index>,
    storages: BTreeMap<String, StorageInfo>,
    budget: Budget,
}

impl<'bytes> Machine<'bytes> {
    pub(super) fn new(bytes: &'bytes [u8]) -> Self {
        Self {
            operands: Operands(bytes),
            values: Vec::new(),
            other: None,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            storages: BTreeMap::new(),
            budget: Budget::default(),
        }
    }

    /// The bytes after the pickle, once it has been executed.
    pub(super) fn rest(&self) -> &'bytes [u8] {
        self.operands.0
    }

    pub(super) fn into_storages(self) -> BTreeMap<String, StorageInfo> {
        self.storages
    }

    /// Runs the pickle to its end and returns its value.
    pub(super) fn run(&mut self) -> Result<Index, PickleError> {
        loop {
            match self.operands.byte()? {
                b'.' => return self.pop(),
                code => self.step(code)?,
            }
        }
    }

    /// The letters and numbers are those of Python's `pickletools`.
    fn step(&mut self, code: u8) -> Result<(), PickleError> {
        match code {
            0x80 => self.operands.skip(1),
            0x95 => self.operands.skip(8),
            b'N' | 0x88 | 0x89 | b'G' | b'I' | b'L' | b'F' => self.constant(code),
            b'J' | b'K' | b'M' | 0x8a | 0x8b => self.integer(code),
            b'X' | b'T' | 0x8c | b'U' | 0x8d | b'S' | b'V' => self.text(code),
            b'B' | b'C' | 0x8e | 0x96 => self.bytes(code),
            b'c' | 0x93 => self.class(code),
            b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new())),
            b'}' => self.push(Value::Fields(Vec::new())),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b't' | b'l' | b'd' | 0x91 | 0x85 | 0x86 | 0x87 => self.gather(code),
            b'q' | b'r' | b'p' | 0x94 | b'h' | b'j' | b'g' => self.remember(code),
            b'a' | b'e' | b's' | b'u' | 0x90 => self.fill(code),
            0x81 | 0x92 | b'R' => self.call(code),
            b'b' => self.build(),
            b'Q' => self.persistent(),
            b'0' => self.pop().map(drop),
            b'1' => self.marked().map(drop),
            b'2' => {
                let top = *self.stack.last().ok_or(PickleError::EmptyStack)?;
                self.stack.push(top);
                Ok(())
            }
            unknown => Err(PickleError::UnknownInstruction(unknown)),
        }
    }

    /// A value that is no part of any tensor: nothing, a truth value, or a number in decimal digits.
    fn constant(&mut self, code: u8) -> Result<(), PickleError> {
        let value = match code {
            b'G' => self.operands.skip(8).map(|()| None)?,
            b'I' | b'L' => self.operands.line()?.trim_end_matches('L').parse().ok(),
            b'F' => self.operands.line().map(|_| None)?,
            _ => None,
        };
        self.push(value.map_or(Value::Other, Value::Integer))
    }

    fn integer(&mut self, code: u8) -> Result<(), PickleError> {
        let bytes = match code {
            b'J' => self.operands.take(FOUR)?,
            b'K' => self.operands.take(1)?,
            b'M' => self.operands.take(2)?,
            0x8a => self.operands.counted(1)?,
            _ => self.operands.counted(FOUR)?,
        };
        let value = match code {
            b'J' => i64::from(unsigned(bytes) as u32 as i32),
            0x8a | 0x8b => signed(bytes),
            _ => unsigned(bytes) as i64,
        };
        self.push(Value::Integer(value))
    }

    fn text(&mut self, code: u8) -> Result<(), PickleError> {
        let text = match code {
            b'S' => {
                let quoted = self.operands.line()?;
                quoted.trim_matches(['\'', '"']).to_owned()
            }
            b'V' => self.operands.line()?,
            b'X' | b'T' => text(self.operands.counted(FOUR)?),
            0x8d => text(self.operands.counted(8)?),
            _ => text(self.operands.counted(1)?),
        };
        self.push(Value::Text(text))
    }

    fn bytes(&mut self, code: u8) -> Result<(), PickleError> {
        let width = match code {
            b'B' => FOUR,
            b'C' => 1,
            _ => 8,
        };
        self.operands.counted(width)?;
        self.push(Value::Other)
    }

    fn class(&mut self, code: u8) -> Result<(), PickleError> {
        let (name, module) = if code == b'c' {
            let module = self.operands.line()?;
            (self.operands.line()?, module)
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            (self.text_of(name), self.text_of(module))
        };
        self.push(Value::Class(format!("{module}.{name}")))
    }

    /// Makes a tuple, a list, a set or a dictionary of the topmost values.
    fn gather(&mut self, code: u8) -> Result<(), PickleError> {
        let parts = match code {
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count);
                self.take_from(start.ok_or(PickleError::EmptyStack)?)?
            }
            _ => self.marked()?,
        };
        self.push(match code {
            b'd' => Value::Fields(pairs(&parts).collect()),
            _ => Value::Sequence(parts),
        })
    }

    fn remember(&mut self, code: u8) -> Result<(), PickleError> {
        let key = match code {
            b'q' | b'h' => u64::from(self.operands.byte()?),
            b'r' | b'j' => unsigned(self.operands.take(FOUR)?),
            b'p' | b'g' => {
                let line = self.operands.line()?;
                line.parse().map_err(|_| PickleError::EmptyStack)?
            }
            _ => self.memo.len() as u64,
        };
        if matches!(code, b'h' | b'j' | b'g') {
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
        let parts = match code {
            b'a' | b's' => {
                let count = if code == b'a' { 1 } else { 2 };
                let start = self.stack.len().checked_sub(count);
                self.take_from(start.ok_or(PickleError::EmptyStack)?)?
            }
            _ => self.marked()?,
        };
        self.budget.take(size_of_val(&*parts))?;
        let target = *self.stack.last().ok_or(PickleError::EmptyStack)?;
        match &mut self.values[target] {
            Value::Sequence(list) => list.extend(parts),
            Value::Fields(fields) => fields.extend(pairs(&parts)),
            _ => {}
        }
        Ok(())
    }

    /// Calls a class with arguments; only those that make tensors and dictionaries mean something.
    fn call(&mut self, code: u8) -> Result<(), PickleError> {
        if code == 0x92 {
            // Named arguments, which no such class has.
            self.pop()?;
        }
        let arguments = self.pop()?;
        let class = self.pop()?;
        let class = match &self.values[class] {
            Value::Class(name) => name.clone(),
            _ => String::new(),
        };
        self.budget.take(class.len())?;
        let parts = self.parts(arguments);
        let value = match class.as_str() {
            "torch._utils._rebuild_tensor_v2"
            | "torch._utils._rebuild_tensor"
            | "torch._utils._rebuild_tensor_v3" => self.tensor(arguments),
            "torch._utils._rebuild_parameter"
            | "torch._utils._rebuild_parameter_with_state"
            | "torch.nn.parameter.Parameter" => {
                parts.first().map(|&first| self.values[first].clone())
            }
            "torch._tensor._rebuild_from_type_v2" => match *parts {
                [_, _, state, ..] => self.tensor(state),
                _ => None,
            },
            "collections.OrderedDict" => self.dictionary(arguments),
            other => unread_tensor(other),
        };
        self.push(value.unwrap_or(Value::Fields(Vec::new())))
    }

    /// `OrderedDict([(key, value), ...])`.
    fn dictionary(&self, arguments: Index) -> Option<Value> {
        let &[list] = self.parts(arguments) else {
            return None;
        };
        let fields = self
            .parts(list)
            .iter()
            .map(|&pair| match *self.parts(pair) {
                [key, value] => Some((key, value)),
                _ => None,
            });
        fields.collect::<Option<_>>().map(Value::Fields)
    }

    /// `(storage, offset, shape, strides, ...)`; the seventh argument, if any, is the number type. The last one may
    /// be a dictionary of further properties.
    fn tensor(&self, arguments: Index) -> Option<Value> {
        let parts = self.parts(arguments);
        let [storage, offset, shape, strides, ..] = *parts else {
            return None;
        };
        let Value::Storage {
            key,
            info,
            offset: start,
        } = &self.values[storage]
        else {
            return None;
        };
        let Value::Integer(offset) = self.values[offset] else {
            return None;
        };
        let numbers = match parts.get(6).map(|&kind| &self.values[kind]) {
            Some(Value::Class(class)) => dtype_numbers(class),
            _ => info.numbers.clone(),
        };
        Some(Value::Tensor(StoredTensor {
            storage: key.clone(),
            numbers,
            offset: start.checked_add(offset)?,
            shape: self.integers(shape)?,
            strides: self.integers(strides)?,
            is_negated: parts.iter().any(|&part| self.has_key(part, NEGATIVE_BIT)),
        }))
    }

    /// Whether a value is a dictionary with this key.
    fn has_key(&self, index: Index, key: &str) -> bool {
        match &self.values[index] {
            Value::Fields(fields) => fields.iter().any(|&(name, _)| self.text_of(name) == key),
            _ => false,
        }
    }

    /// Gives an object its state: a dictionary of fields, or a tuple of such dictionaries.
    fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let object = *self.stack.last().ok_or(PickleError::EmptyStack)?;
        let states = match &self.values[state] {
            Value::Sequence(states) => states.clone(),
            _ => vec![state],
        };
        self.budget.take(size_of_val(&*states))?;
        for state in states {
            // An object may be its own state, which doubles it.
            self.budget.take(self.values[state].bytes())?;
            if let Value::Fields(state) = self.values[state].clone()
                && let Value::Fields(fields) = &mut self.values[object]
            {
                fields.extend(state);
            }
        }
        Ok(())
    }

    /// A storage is named by the tuple `("storage", class, key, place, length, view)`, where `view`, in old
    /// files only, is `(key, offset, length)`; a class by `("module", class, file, source)`.
    fn persistent(&mut self) -> Result<(), PickleError> {
        let id = self.pop()?;
        self.budget.take(self.values[id].bytes())?;
        let parts = self.parts(id).to_vec();
        let value = match *parts {
            [tag, class, ..] if self.is_text(tag, "module") => self.values[class].clone(),
            [_, class, key, ..] => {
                let key = self.text_of(key);
                let info = match &self.values[class] {
                    Value::Class(name) => storage_info(name),
                    _ => storage_info("unknown"),
                };
                self.storages.insert(key.clone(), info.clone());
                let view = parts.get(5).map_or(&[][..], |&view| self.parts(view));
                let offset = match view.get(1).map(|&offset| &self.values[offset]) {
                    Some(Value::Integer(offset)) => *offset,
                    _ => 0,
                };
                Value::Storage { key, info, offset }
            }
            _ => Value::Other,
        };
        self.push(value)
    }

    pub(super) fn text_of(&self, index: Index) -> String {
        match &self.values[index] {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            _ => String::new(),
        }
    }

    fn is_text(&self, index: Index, expected: &str) -> bool {
        matches!(&self.values[index], Value::Text(text) if text == expected)
    }

    pub(super) fn parts(&self, index: Index) -> &[Index] {
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
        let is_other = matches!(value, Value::Other);
        let index = match self.other {
            // A list of floats may be long, and all of them are one value.
            Some(other) if is_other => other,
            _ => self.add(value)?,
        };
        if is_other {
            self.other = Some(index);
        }
        self.stack.push(index);
        Ok(())
    }

    fn add(&mut self, value: Value) -> Result<Index, PickleError> {
        if self.values.len() >= MAX_VALUES {
            return Err(PickleError::TooManyValues);
        }
        self.budget.take(value.bytes())?;
        self.values.push(value);
        Ok(self.values.len() - 1)
    }

    fn pop(&mut self) -> Result<Index, PickleError> {
        self.stack.pop().ok_or(PickleError::EmptyStack)
    }

    /// The values above the last mark, which is removed too.
    fn marked(&mut self) -> Result<Vec<Index>, PickleError> {
        let start = self.marks.pop().ok_or(PickleError::EmptyStack)?;
        self.take_from(start)
    }

    fn take_from(&mut self, start: usize) -> Result<Vec<Index>, PickleError> {
        if start > self.stack.len() {
            return Err(PickleError::EmptyStack);
        }
        Ok(self.stack.split_off(start))
    }
}

/// Alternating keys and values as pairs.
fn pairs(parts: &[Index]) -> impl Iterator<Item = (Index, Index)> {
    parts.chunks_exact(2).map(|pair| (pair[0], pair[1]))
}

/// A tensor whose numbers are not simply a part of a storage, such as a sparse one.
fn unread_tensor(class: &str) -> Option<Value> {
    let kind = class.strip_prefix("torch._utils._rebuild_")?;
    kind.contains("tensor").then(|| {
        Value::Tensor(StoredTensor {
            storage: String::new(),
            numbers: Numbers::Unsupported(kind.to_owned()),
            offset: 0,
            shape: Vec::new(),
            strides: Vec::new(),
            is_negated: false,
        })
    })
}
