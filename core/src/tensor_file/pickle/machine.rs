//! Opcodes of a pickle, protocols 2 to 5, as far as checkpoints use them.

use std::collections::BTreeMap;

use super::{Arena, LONGEST, Node, Value};

/// Runs one pickle from the start of `bytes`; returns its value and its length in bytes.
pub(super) fn run(bytes: &[u8], arena: &mut Arena) -> Result<(Value, usize), String> {
    let mut machine = Machine {
        rest: &bytes[..bytes.len().min(LONGEST)],
        arena,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    };
    let whole = machine.rest.len();
    loop {
        let [op] = machine.take()?;
        if op == b'.' {
            let value = machine.pop()?;
            return Ok((value, whole - machine.rest.len()));
        }
        machine.step(op)?;
    }
}

pub(super) struct Machine<'a> {
    rest: &'a [u8],
    pub(super) arena: &'a mut Arena,
    stack: Vec<Value>,
    /// Lengths of the stack at its marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value>,
}

fn cut() -> String {
    format!("its pickle is cut off or longer than {LONGEST} bytes")
}

impl<'a> Machine<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(cut)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take_slice(&mut self, length: u64) -> Result<&'a [u8], String> {
        let length = usize::try_from(length)
            .ok()
            .filter(|n| *n <= self.rest.len());
        let (taken, rest) = self.rest.split_at(length.ok_or_else(cut)?);
        self.rest = rest;
        Ok(taken)
    }

    fn take_line(&mut self) -> Result<&'a str, String> {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(cut)?;
        let line = self.take_slice(end as u64)?;
        let [_newline] = self.take()?;
        str::from_utf8(line)
            .ok()
            .ok_or_else(|| "its pickle has a name that is not text".to_owned())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn add(&mut self, node: Node) {
        let value = self.arena.add(node);
        self.push(value);
    }

    /// Returns the top of the stack, which must not lie below a mark.
    fn pop(&mut self) -> Result<Value, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let value = (self.stack.len() > floor)
            .then(|| self.stack.pop())
            .flatten();
        value.ok_or_else(empty)
    }

    fn top(&self) -> Result<Value, String> {
        self.stack.last().copied().ok_or_else(empty)
    }

    /// Pops the values above the last mark, and the mark.
    fn pop_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or_else(empty)?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn step(&mut self, op: u8) -> Result<(), String> {
        match op {
            0x80 => {
                let [version] = self.take()?;
                if version > 5 {
                    return Err(format!("its pickle is of protocol {version}"));
                }
            }
            0x95 => {
                let _frame: [u8; 8] = self.take()?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => drop(self.pop_mark()?),
            b'2' => self.push(self.top()?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' | b'K' | b'M' | 0x8a | 0x8b | b'G' => self.number(op)?,
            b'X' | 0x8c | 0x8d | b'T' | b'U' | b'B' | b'C' | 0x8e => self.text(op)?,
            b']' | b'}' | b')' | b't' | b'l' | b'd' | 0x85..=0x87 => self.container(op)?,
            b'a' | b'e' | b's' | b'u' => self.fill(op)?,
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(op)?,
            b'c' | 0x93 | b'R' | 0x81 | b'b' | b'Q' => self.call(op)?,
            b'I' | b'F' | b'S' | b'V' | b'L' | b'p' | b'g' | b'P' => {
                return Err("its pickle is of protocol 0, save it again by torch.save".to_owned());
            }
            other => {
                return Err(format!(
                    "its pickle uses the opcode {other:#04x}, which weights do not need: get them as safetensors"
                ));
            }
        }
        Ok(())
    }

    fn number(&mut self, op: u8) -> Result<(), String> {
        let value = match op {
            b'J' => Value::Int(i32::from_le_bytes(self.take()?).into()),
            b'K' => Value::Int(u8::from_le_bytes(self.take()?).into()),
            b'M' => Value::Int(u16::from_le_bytes(self.take()?).into()),
            b'G' => Value::Float(f64::from_be_bytes(self.take()?)),
            _ => {
                let length = if op == 0x8a {
                    u8::from_le_bytes(self.take()?).into()
                } else {
                    u32::from_le_bytes(self.take()?).into()
                };
                let bytes = self.take_slice(length)?;
                if bytes.len() > 8 {
                    self.add(Node::Bytes(bytes.to_vec()));
                    return Ok(());
                }
                // Little-endian two's complement, extended by its sign.
                let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
                let mut whole = [if negative { 0xff } else { 0 }; 8];
                whole[..bytes.len()].copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(whole))
            }
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, op: u8) -> Result<(), String> {
        let length = match op {
            0x8c | b'U' | b'C' => u8::from_le_bytes(self.take()?).into(),
            b'X' | b'T' | b'B' => u32::from_le_bytes(self.take()?).into(),
            _ => u64::from_le_bytes(self.take()?),
        };
        let bytes = self.take_slice(length)?;
        let node = if matches!(op, b'B' | b'C' | 0x8e) {
            Node::Bytes(bytes.to_vec())
        } else {
            Node::Text(String::from_utf8_lossy(bytes).into_owned())
        };
        self.add(node);
        Ok(())
    }

    fn container(&mut self, op: u8) -> Result<(), String> {
        let node = match op {
            b']' => Node::List(Vec::new()),
            b'}' => Node::Dict(Vec::new()),
            b')' => Node::Tuple(Vec::new()),
            b't' => Node::Tuple(self.pop_mark()?),
            b'l' => Node::List(self.pop_mark()?),
            b'd' => Node::Dict(pairs(&self.pop_mark()?)?),
            _ => {
                let mut items = Vec::new();
                for _ in 0x84..op {
                    items.push(self.pop()?);
                }
                items.reverse();
                Node::Tuple(items)
            }
        };
        self.add(node);
        Ok(())
    }

    /// Adds items to the list or dict below them.
    fn fill(&mut self, op: u8) -> Result<(), String> {
        let items = match op {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let into = self.top()?;
        match (self.arena.node_mut(into), op) {
            (Some(Node::List(list)), b'a' | b'e') => list.extend(items),
            (Some(Node::Dict(dict)), b's' | b'u') => dict.extend(pairs(&items)?),
            _ => return Err("its pickle fills a value that is neither list nor dict".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, op: u8) -> Result<(), String> {
        let at = match op {
            b'q' | b'h' => u8::from_le_bytes(self.take()?).into(),
            b'r' | b'j' => u32::from_le_bytes(self.take()?),
            // A pickle can make at most this many values.
            _ => self.memo.len() as u32,
        };
        if matches!(op, b'h' | b'j') {
            let value = self.memo.get(&at).copied();
            let value = value
                .ok_or_else(|| format!("its pickle recalls value {at}, which it never stored"))?;
            self.push(value);
        } else {
            let top = self.top()?;
            self.memo.insert(at, top);
        }
        Ok(())
    }

    fn call(&mut self, op: u8) -> Result<(), String> {
        let value = match op {
            b'c' => {
                let (module, name) = (self.take_line()?, self.take_line()?);
                let known = super::calls::known(module, name)?;
                self.arena.add(known)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (self.arena.text(module), self.arena.text(name))
                else {
                    return Err(
                        "its pickle names an object by something that is not text".to_owned()
                    );
                };
                let known = super::calls::known(module, name)?;
                self.arena.add(known)
            }
            b'Q' => {
                let named = self.pop()?;
                super::calls::storage(self.arena, named)?
            }
            b'b' => {
                let _state = self.pop()?;
                return super::calls::state_of(self.arena, self.top()?);
            }
            _ => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                super::calls::call(self.arena, function, arguments)?
            }
        };
        self.push(value);
        Ok(())
    }
}

fn empty() -> String {
    "its pickle takes more from its stack than it holds".to_owned()
}

fn pairs(items: &[Value]) -> Result<Vec<(Value, Value)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    } else {
        Err("its pickle has a key without a value".to_owned())
    }
}
