// What hls4ml calls from Python: real values in and out, and the outputs of all layers.

#include "firmware/@NETWORK@.cpp"

#include <cmath>
#include <vector>

namespace {

struct layer {
    const char *name;
    int size; // integers in a frame
    int frac;
    bool traced;
};

const layer LAYERS[] = {@TRACED_LAYERS@};
const int COUNT = sizeof(LAYERS) / sizeof(LAYERS[0]);
const int T = @T@;

bool tracing_asked = false;
size_t bytes_of_value = 0;
std::vector<std::vector<long long> > integers(COUNT);
std::vector<std::vector<double> > doubles(COUNT);
std::vector<std::vector<float> > floats(COUNT);

template <class head_T, class value_T> void read_head(hls::stream<head_T> &head, int frac, value_T *values) {
    const head_T result = head.read();
    for (unsigned c = 0; c < head_T::size; c++)
        values[c] = std::ldexp(static_cast<value_T>(hw_amc::get_lane(result[c], 0)), -frac);
}

void start_trace(std::vector<hw_amc::sink> &sinks) {
    hw_amc::trace_state &state = hw_amc::tracing();
    state.lanes = 1;
    state.frame = 0;
    state.sinks = 0;
    if (!tracing_asked)
        return;
    for (int i = 0; i < COUNT; i++) {
        integers[i].resize(LAYERS[i].size);
        sinks[i].data = LAYERS[i].traced ? integers[i].data() : 0;
        sinks[i].bytes = 8;
    }
    state.sinks = sinks.data();
}

template <class value_T> void run(const value_T *values@HEAD_POINTERS@) {
    hls::stream<@INPUT_T@> frame("frame");
@HEAD_STREAMS@
    for (int t = 0; t < T; t++) {
        @INPUT_T@ sample;
        for (int c = 0; c < 2; c++) {
            // Rounded and saturated here, as the accelerator's shell does.
            const @INPUT_T@::value_type rounded = static_cast<double>(values[2 * t + c]);
            sample[c] = rounded;
        }
        frame.write(sample);
    }
    std::vector<hw_amc::sink> sinks(COUNT);
    start_trace(sinks);
    @NETWORK@(frame, @HEADS@);
@READ_HEADS@
}

} // namespace

struct trace_data {
    const char *name;
    void *data;
};

extern "C" {

void allocate_trace_storage(size_t element_size) {
    tracing_asked = true;
    bytes_of_value = element_size;
}

void free_trace_storage() { tracing_asked = false; }

void collect_trace_output(trace_data *found) {
    int place = 0;
    for (int i = 0; i < COUNT; i++) {
        if (!LAYERS[i].traced)
            continue;
        doubles[i].resize(LAYERS[i].size);
        floats[i].resize(LAYERS[i].size);
        for (int k = 0; k < LAYERS[i].size; k++) {
            doubles[i][k] = std::ldexp(static_cast<double>(integers[i][k]), -LAYERS[i].frac);
            floats[i][k] = static_cast<float>(doubles[i][k]);
        }
        found[place].name = LAYERS[i].name;
        found[place].data = bytes_of_value == sizeof(double) ? static_cast<void *>(doubles[i].data())
                                                             : static_cast<void *>(floats[i].data());
        place++;
    }
}

void @PROJECT@_float(float *values@FLOAT_POINTERS@) { run(values@HEAD_NAMES@); }
void @PROJECT@_double(double *values@DOUBLE_POINTERS@) { run(values@HEAD_NAMES@); }
}
