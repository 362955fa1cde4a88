// What tch does not reach of libtorch. Only headers are used that do not depend on the kind of device: they are in the
// libtorch for processors too, so one binary works with every libtorch of this version. Every function returns 0,
// or 1 after an error, whose message `clipdraw_last_error` returns: C++ exceptions must not reach Rust.
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Version.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <dlfcn.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

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

// `at::cuda::CUDAGraph`, reached by the names of its functions in libtorch's CUDA library, so that neither that library
// nor CUDA's headers are needed to build or to start. An object of it has 104 bytes in libtorch 2.11, the only version
// that tch accepts; there is room for more. What libtorch allocates while a graph is captured belongs to the graph.
class Graph {
    alignas(64) unsigned char object[1024] = {};

    static void *symbol(const char *name) {
        void *library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD);
        void *found = library ? dlsym(library, name) : nullptr;
        if (!found) throw std::runtime_error(std::string("libtorch's CUDA library has no ") + name);
        return found;
    }

    void call(const char *name) { reinterpret_cast<void (*)(void *)>(symbol(name))(object); }

public:
    Graph() {
        // All of them, so that one that is missing is noticed before anything is captured.
        for (const char *name : {BEGIN, END, REPLAY, DESTROY}) symbol(name);
        reinterpret_cast<void (*)(void *, bool)>(symbol("_ZN2at4cuda9CUDAGraphC1Eb"))(object, /*keep_graph=*/false);
    }
    Graph(const Graph &) = delete;
    ~Graph() { guarded([this] { call(DESTROY); }); }

    void begin() {
        // Other threads may use CUDA meanwhile, also in ways that a capture does not allow.
        const int thread_local_mode = 1; // cudaStreamCaptureModeThreadLocal
        using Begin = void (*)(void *, std::pair<unsigned long long, unsigned long long>, int);
        reinterpret_cast<Begin>(symbol(BEGIN))(object, {0, 0}, thread_local_mode);
    }
    void end() { call(END); }
    void replay() { call(REPLAY); }

private:
    static constexpr const char *BEGIN =
        "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode";
    static constexpr const char *END = "_ZN2at4cuda9CUDAGraph11capture_endEv";
    static constexpr const char *REPLAY = "_ZN2at4cuda9CUDAGraph6replayEv";
    static constexpr const char *DESTROY = "_ZN2at4cuda9CUDAGraphD1Ev";
};

extern "C" {
// Gives this thread a stream of its own from libtorch's pool: the default stream cannot be captured.
int clipdraw_take_stream(int device) {
    return guarded([&] {
        const auto type = at::accelerator::getAccelerator(/*checked=*/true).value();
        const auto index = static_cast<c10::DeviceIndex>(device);
        const c10::impl::VirtualGuardImpl guard(type);
        at::accelerator::setCurrentStream(guard.getStreamFromGlobalPool(c10::Device(type, index), /*isHighPriority=*/false));
    });
}

// Starts to capture what this thread puts on its stream; null after an error.
void *clipdraw_begin_capture() {
    Graph *begun = nullptr;
    guarded([&] {
        auto graph = std::make_unique<Graph>();
        graph->begin();
        begun = graph.release();
    });
    return begun;
}

// Ends the capture, also one in which something failed.
int clipdraw_end_capture(void *graph) {
    return guarded([&] { static_cast<Graph *>(graph)->end(); });
}

// Puts everything that was captured on this thread's stream.
int clipdraw_replay(void *graph) {
    return guarded([&] { static_cast<Graph *>(graph)->replay(); });
}

void clipdraw_drop_graph(void *graph) { delete static_cast<Graph *>(graph); }

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

// Forgets the peak of the memory that tensors use.
int clipdraw_reset_peak(int device) {
    return guarded([&] { at::accelerator::resetPeakStats(static_cast<c10::DeviceIndex>(device)); });
}

// Bytes of memory: free on the device, all of the device, kept by libtorch, in use by its tensors, and the peak of that.
int clipdraw_memory(int device, int64_t bytes[5]) {
    return guarded([&] {
        const auto index = static_cast<c10::DeviceIndex>(device);
        const auto [available, total] = at::accelerator::getMemoryInfo(index);
        const auto stats = at::accelerator::getDeviceStats(index);
        bytes[0] = static_cast<int64_t>(available);
        bytes[1] = static_cast<int64_t>(total);
        bytes[2] = stats.reserved_bytes[0].current;
        bytes[3] = stats.allocated_bytes[0].current;
        bytes[4] = stats.allocated_bytes[0].peak;
    });
}

// Returns to the device the memory that libtorch keeps for later.
int clipdraw_empty_cache() {
    return guarded([] { at::accelerator::emptyCache(); });
}
}
