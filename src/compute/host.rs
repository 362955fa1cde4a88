//! Copies tensors from their device to the host.

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
