//! Devices and precisions by name.
use clipdraw::compute::{
    DeviceChoice, DeviceError, Precision, TowerKind, accelerator, library, present_devices,
};
use tch::{Device, Kind};

#[test]
fn a_device_is_written_as_it_is_read() {
    for name in ["auto", "cpu", "cuda:0", "cuda:3", "mps"] {
        assert_eq!(
            name.parse::<DeviceChoice>().expect("a device").to_string(),
            name
        );
    }
    assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
}

#[test]
fn other_names_are_not_devices() {
    for name in [
        "",
        "gpu",
        "cuda:",
        "cuda:x",
        "cuda:-1",
        "cuda:+1",
        "cuda:99999999",
        "CPU",
    ] {
        assert_eq!(
            name.parse::<DeviceChoice>(),
            Err(DeviceError::Unknown(name.to_owned()))
        );
    }
}

#[test]
fn the_error_for_an_absent_device_lists_the_available_ones() {
    let error = DeviceChoice::Cuda(999)
        .resolve()
        .expect_err("no machine has a thousand cards");
    let text = error.to_string();
    assert!(
        text.starts_with("device cuda:999 is not available: this machine has "),
        "{text}"
    );
    assert!(text.ends_with("cpu"), "{text}");
}

#[test]
fn the_processor_is_always_present() {
    assert_eq!(DeviceChoice::Cpu.resolve(), Ok(Device::Cpu));
    assert_eq!(present_devices().last(), Some(&Device::Cpu));
    assert!(DeviceChoice::Auto.resolve().is_ok());
}

#[test]
fn auto_precision_is_half_only_for_transformers_on_cuda() {
    let auto = |device| {
        [TowerKind::Transformer, TowerKind::Convolutional]
            .map(|tower| Precision::Auto.kind(device, tower))
    };
    assert_eq!(auto(Device::Cpu), [Kind::Float, Kind::Float]);
    assert_eq!(auto(Device::Mps), [Kind::Float, Kind::Float]);
    assert_eq!(auto(Device::Cuda(0)), [Kind::Half, Kind::Float]);
    let chosen = Precision::Fp16.kind(Device::Cpu, TowerKind::Convolutional);
    assert_eq!(chosen, Kind::Half);
    for name in ["auto", "fp32", "bf16", "fp16"] {
        assert_eq!(
            name.parse::<Precision>().expect("a precision").to_string(),
            name
        );
    }
    assert!("fp8".parse::<Precision>().is_err());
}

#[test]
fn the_description_names_libtorch_and_its_version() {
    assert!(
        library::describe().starts_with("libtorch 2."),
        "{}",
        library::describe()
    );
}

#[test]
fn without_an_accelerator_its_functions_say_so() {
    if library::cuda_is_usable() || library::metal_is_usable() {
        return;
    }
    for error in [
        accelerator::memory(0).unwrap_err(),
        accelerator::current_stream(0).unwrap_err(),
        accelerator::empty_cache().unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.starts_with("libtorch: ") && text.contains("accelerator"),
            "{text}"
        );
        assert!(!text.contains('\n'), "{text}");
    }
}
