// What tch does not reach of libtorch. Only headers are used that do not depend on the kind of device: they are in the
// libtorch for processors too, so one binary works with every libtorch of this version. Every function returns 0,
// or 1 after an error, whose message `clipdraw_last_error` returns: C++ exceptions must not reach Rust.
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Version.h>

#include <cstdint>
#include <string>

static thread_local std::string last_error;

template <class Work>
static int guarded(Work work) {
    try {
        work();
        return 0;
    } catch (const std::exception &error) {
        last_error = error.what();
        return 1;
    }
}

extern "C" {
// The message of the last error on this thread, valid until the next call.
const char *clipdraw_last_error() { return last_error.c_str(); }

// What the libtorch that is running was built with, as text; valid until the next call on this thread.
const char *clipdraw_build_settings() {
    static thread_local std::string settings;
    return guarded([] { settings = at::show_config(); }) == 0 ? settings.c_str() : "";
}

// Chooses algorithms that give the same bits every time, and full precision: no TF32, and sums of half-precision
// products in 32 bits. An operation without such an algorithm prints a warning.
int clipdraw_make_deterministic() {
    return guarded([] {
        auto &context = at::globalContext();
        context.setDeterministicCuDNN(true);
        context.setBenchmarkCuDNN(false);
        context.setDeterministicAlgorithms(true, /*warn_only=*/true);
        // It would write every new tensor, for programs that read memory before they write it.
        context.setDeterministicFillUninitializedMemory(false);
        context.setAllowTF32CuDNN(false);
        context.setAllowTF32CuBLAS(false);
        context.setAllowFP16ReductionCuBLAS(false);
        context.setAllowBF16ReductionCuBLAS(false);
    });
}

// The stream on which libtorch puts its work in this thread: a `cudaStream_t` on CUDA, null for the default stream.
int clipdraw_current_stream(int device, void **stream) {
    return guarded([&] {
        const auto index = static_cast<c10::DeviceIndex>(device);
        *stream = at::accelerator::getCurrentStream(index).native_handle();
    });
}

// Bytes of memory: free on the device, all of the device, kept by libtorch, and in use by its tensors.
int clipdraw_memory(int device, int64_t bytes[4]) {
    return guarded([&] {
        const auto index = static_cast<c10::DeviceIndex>(device);
        const auto [available, total] = at::accelerator::getMemoryInfo(index);
        const auto stats = at::accelerator::getDeviceStats(index);
        bytes[0] = static_cast<int64_t>(available);
        bytes[1] = static_cast<int64_t>(total);
        bytes[2] = stats.reserved_bytes[0].current;
        bytes[3] = stats.allocated_bytes[0].current;
    });
}

// Returns to the device the memory that libtorch keeps for later.
int clipdraw_empty_cache() {
    return guarded([] { at::accelerator::emptyCache(); });
}
}
