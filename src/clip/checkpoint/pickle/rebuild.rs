//! What the calls in a pickle make: tensors and dictionaries.

use super::value::{Index, StoredTensor, Value, dtype_numbers};
use super::values::Values;
use crate::clip::checkpoint::source::Numbers;

/// The property of a tensor whose numbers are stored with the opposite sign. It is only there if it is true
/// (`torch/csrc/jit/serialization/pickler.h`, `getTensorMetadata`).
const NEGATIVE_BIT: &str = "neg";

/// What a call of a class with these arguments makes; `None` if it is neither a tensor nor a dictionary.
pub(super) fn rebuild(values: &Values, class: &str, arguments: Index) -> Option<Value> {
    let parts = values.parts(arguments);
    match class {
        "torch._utils._rebuild_tensor_v2"
        | "torch._utils._rebuild_tensor"
        | "torch._utils._rebuild_tensor_v3" => tensor(values, arguments),
        "torch._utils._rebuild_parameter"
        | "torch._utils._rebuild_parameter_with_state"
        | "torch.nn.parameter.Parameter" => parts.first().map(|&first| values.get(first).clone()),
        "torch._tensor._rebuild_from_type_v2" => match *parts {
            [_, _, state, ..] => tensor(values, state),
            _ => None,
        },
        "collections.OrderedDict" => dictionary(values, arguments),
        other => unread_tensor(other),
    }
}

/// `OrderedDict([(key, value), ...])`.
fn dictionary(values: &Values, arguments: Index) -> Option<Value> {
    let &[list] = values.parts(arguments) else {
        return None;
    };
    let fields = values
        .parts(list)
        .iter()
        .map(|&pair| match *values.parts(pair) {
            [key, value] => Some((key, value)),
            _ => None,
        });
    fields.collect::<Option<_>>().map(Value::Fields)
}

/// `(storage, offset, shape, strides, ...)`; the seventh argument, if any, is the number type. The last one may
/// be a dictionary of further properties.
fn tensor(values: &Values, arguments: Index) -> Option<Value> {
    let parts = values.parts(arguments);
    let [storage, offset, shape, strides, ..] = *parts else {
        return None;
    };
    let Value::Storage {
        key,
        info,
        offset: start,
    } = values.get(storage)
    else {
        return None;
    };
    let Value::Integer(offset) = *values.get(offset) else {
        return None;
    };
    let numbers = match parts.get(6).map(|&kind| values.get(kind)) {
        Some(Value::Class(class)) => dtype_numbers(class),
        _ => info.numbers.clone(),
    };
    Some(Value::Tensor(StoredTensor {
        storage: key.clone(),
        numbers,
        offset: start.checked_add(offset)?,
        shape: values.integers(shape)?,
        strides: values.integers(strides)?,
        is_negated: parts.iter().any(|&part| values.has_key(part, NEGATIVE_BIT)),
    }))
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
