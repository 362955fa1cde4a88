//! Copies of tensors: on the host, and on their device.

use tch::{Device, Kind, TchError, Tensor};

/// The values of a tensor in row-major order, as 32-bit numbers.
///
/// # Errors
/// If libtorch fails.
pub fn to_host(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let tensor = tensor
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?;
    let mut values = vec![0.0; tensor.numel()];
    tensor.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}

/// A copy on the same device, which later writes to the tensor do not change.
///
/// # Errors
/// If libtorch fails.
pub fn duplicate(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}
