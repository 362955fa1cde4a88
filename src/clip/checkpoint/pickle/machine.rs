//! Carries out the instructions of a pickle.

use std::collections::{BTreeMap, HashMap};

use super::operands::{Operands, signed, text, unsigned};
use super::rebuild::rebuild;
use super::value::{Index, PickleError, StorageInfo, Value, storage_info};
use super::values::Values;

/// Lengths are written with four bytes in most instructions.
const FOUR: usize = 4;

/// The stack machine that a pickle is a program for.
#[derive(Debug)]
pub(super) struct Machine<'bytes> {
    operands: Operands<'bytes>,
    pub(super) values: Values,
    stack: Vec<Index>,
    marks: Vec<usize>,
    memo: HashMap<u64, Index>,
    storages: BTreeMap<String, StorageInfo>,
}

impl<'bytes> Machine<'bytes> {
    pub(super) fn new(bytes: &'bytes [u8]) -> Self {
        Self {
            operands: Operands(bytes),
            values: Values::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            storages: BTreeMap::new(),
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
            (self.values.text_of(name), self.values.text_of(module))
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
        self.values.budget.take(size_of_val(&*parts))?;
        let target = *self.stack.last().ok_or(PickleError::EmptyStack)?;
        match self.values.get_mut(target) {
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
        let class = match self.values.get(class) {
            Value::Class(name) => name.clone(),
            _ => String::new(),
        };
        self.values.budget.take(class.len())?;
        let value = rebuild(&self.values, &class, arguments);
        self.push(value.unwrap_or(Value::Fields(Vec::new())))
    }

    /// Gives an object its state: a dictionary of fields, or a tuple of such dictionaries.
    fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let object = *self.stack.last().ok_or(PickleError::EmptyStack)?;
        let states = match self.values.get(state) {
            Value::Sequence(states) => states.clone(),
            _ => vec![state],
        };
        self.values.budget.take(size_of_val(&*states))?;
        for state in states {
            // An object may be its own state, which doubles it.
            self.values.budget.take(self.values.get(state).bytes())?;
            if let Value::Fields(state) = self.values.get(state).clone()
                && let Value::Fields(fields) = self.values.get_mut(object)
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
        self.values.budget.take(self.values.get(id).bytes())?;
        let parts = self.values.parts(id).to_vec();
        let value = match *parts {
            [tag, class, ..] if self.values.is_text(tag, "module") => {
                self.values.get(class).clone()
            }
            [_, class, key, ..] => {
                let key = self.values.text_of(key);
                let info = match self.values.get(class) {
                    Value::Class(name) => storage_info(name),
                    _ => storage_info("unknown"),
                };
                self.storages.insert(key.clone(), info.clone());
                let view = parts
                    .get(5)
                    .map_or(&[][..], |&view| self.values.parts(view));
                let offset = match view.get(1).map(|&offset| self.values.get(offset)) {
                    Some(Value::Integer(offset)) => *offset,
                    _ => 0,
                };
                Value::Storage { key, info, offset }
            }
            _ => Value::Other,
        };
        self.push(value)
    }

    fn push(&mut self, value: Value) -> Result<(), PickleError> {
        let index = self.values.add(value)?;
        self.stack.push(index);
        Ok(())
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
