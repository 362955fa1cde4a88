//! The processor that the program runs on.

use std::fs;

/// Whether it multiplies matrices of bfloat16 by instructions of its own. Without them, libtorch's arithmetic in this
/// format is slower than in 32 bits.
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("bf16")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

/// Its model, as the operating system describes it, or else its architecture.
pub fn name() -> String {
    let described = fs::read_to_string("/proc/cpuinfo").ok();
    described
        .as_deref()
        .and_then(name_in)
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The name in Linux's `/proc/cpuinfo`. Virtual machines have general names such as `AMD EPYC`, which the numbers of the
/// family and the model distinguish.
fn name_in(cpuinfo: &str) -> Option<String> {
    let value = |wanted: &str| {
        cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == wanted).then(|| value.trim())
        })
    };
    let family = value("cpu family").unwrap_or("?");
    let model = value("model").unwrap_or("?");
    Some(format!("{} ({family}, {model})", value("model name")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_named_with_its_family_and_model() {
        let cpuinfo = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n";
        assert_eq!(name_in(cpuinfo).as_deref(), Some("AMD EPYC (26, 2)"));
        assert_eq!(name_in("processor: 0\nBogoMIPS: 50.00\n"), None);
        assert!(!name().is_empty());
    }
}
