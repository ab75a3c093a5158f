#ifndef HW_AMC_TRACE_H_
#define HW_AMC_TRACE_H_

// In C simulation every layer's tensor can be had as raw integers: HW_AMC_TRACE copies what waits in a stream.

#ifdef __SYNTHESIS__
#define HW_AMC_TRACE(layer, stream)
#else
#define HW_AMC_TRACE(layer, stream) hw_amc::trace(layer, stream)

#include "hw_amc_types.h"

namespace hw_amc {

struct sink {
    void *data; // frames x time x channels; null: not wanted
    int bytes;  // of an integer, 4 or 8
};

// Of a build: the sinks by layer, and the place of the running frames in them.
struct trace_state {
    sink *sinks;
    long long frame;
    int lanes; // of LANES, how many carry a frame
};

inline trace_state &tracing() {
    static trace_state state = {0, 0, 0};
    return state;
}

inline void store(const sink &to, long long index, long long bits) {
    if (to.bytes == 4)
        static_cast<int *>(to.data)[index] = static_cast<int>(bits);
    else
        static_cast<long long *>(to.data)[index] = bits;
}

template <class T> void trace(int layer, hls::stream<T> &stream) {
    const trace_state &state = tracing();
    if (!state.sinks || !state.sinks[layer].data)
        return;
    const long long steps = stream.size();
    const long long channels = T::size;
    for (long long t = 0; t < steps; t++) {
        const T element = stream.read();
        for (long long c = 0; c < channels; c++)
            for (int lane = 0; lane < state.lanes; lane++)
                store(state.sinks[layer], ((state.frame + lane) * steps + t) * channels + c, get_lane(element[c], lane));
        stream.write(element);
    }
}

} // namespace hw_amc

#endif

#endif
