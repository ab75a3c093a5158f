#ifndef HW_AMC_PERMUTE_H_
#define HW_AMC_PERMUTE_H_

// Axes in another order: a frame is written into a memory, then read in its new order.

#include "hw_amc_types.h"

namespace hw_amc {

// A frame; each channel is a memory of its own, written and read at one place a turn.
template <class raw_T, int CHANNELS, int LENGTH> struct frame_memory {
    raw_T words[CHANNELS][LENGTH];
    frame_memory() {
        #pragma HLS ARRAY_PARTITION variable=words complete dim=1
        #pragma HLS BIND_STORAGE variable=words type=ram_s2p impl=auto
    }
    void write(unsigned channel, int place, const raw_T &value) {
        #pragma HLS INLINE
        words[channel][place] = value;
    }
    raw_T read(unsigned channel, int place) const {
        #pragma HLS INLINE
        return words[channel][place];
    }
};

template <class data_T, typename CONFIG_T, class memory_T> void store_frame(hls::stream<data_T> &data, memory_T &frame) {
    #pragma HLS INLINE
Elements:
    for (int i = 0; i < CONFIG_T::elements; i++) {
        #pragma HLS PIPELINE II=1
        const data_T in = data.read();
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            frame.write(c, i, raw(in[c]));
        }
    }
}

// Where the output is: a place along each axis, the last one the fastest.
struct axes_state {
    int first, second, third;
};

template <typename CONFIG_T> void axes_next(axes_state &at) {
    #pragma HLS INLINE
    if (at.third < CONFIG_T::third_size - 1) {
        at.third++;
    } else {
        at.third = 0;
        if (at.second < CONFIG_T::second_size - 1) {
            at.second++;
        } else {
            at.second = 0;
            at.first++;
        }
    }
}

template <typename CONFIG_T> int axes_place(const axes_state &at) {
    #pragma HLS INLINE
    return at.first * CONFIG_T::first_step + at.second * CONFIG_T::second_step + at.third * CONFIG_T::third_step;
}

// The channels stay the last axis: an element is read a turn.
template <class data_T, class res_T, typename CONFIG_T>
void permute_elements(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    frame_memory<typename CONFIG_T::operand_raw_t, data_T::size, CONFIG_T::elements> frame;
    store_frame<data_T, CONFIG_T>(data, frame);
    axes_state at = {0, 0, 0};
Places:
    for (int i = 0; i < CONFIG_T::elements; i++) {
        #pragma HLS PIPELINE II=1
        res_T out;
        #pragma HLS DATA_PACK variable=out
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = from_raw<typename res_T::value_type>(frame.read(c, axes_place<CONFIG_T>(at)));
        }
        res.write(out);
        axes_next<CONFIG_T>(at);
    }
}

// They become another axis: a value is read a turn, and an element written when it is complete.
template <class data_T, class res_T, typename CONFIG_T>
void permute_values(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    frame_memory<typename CONFIG_T::operand_raw_t, data_T::size, CONFIG_T::elements> frame;
    store_frame<data_T, CONFIG_T>(data, frame);
    axes_state at = {0, 0, 0};
    res_T out;
    #pragma HLS DATA_PACK variable=out
Values:
    for (int i = 0; i < CONFIG_T::elements * int(data_T::size); i++) {
        #pragma HLS PIPELINE II=1
        typename CONFIG_T::operand_raw_t channels[data_T::size];
        #pragma HLS ARRAY_PARTITION variable=channels complete
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            channels[c] = frame.read(c, axes_place<CONFIG_T>(at));
        }
        for (unsigned c = 0; c < res_T::size - 1; c++) {
            #pragma HLS UNROLL
            out[c] = out[c + 1];
        }
        out[res_T::size - 1] = from_raw<typename res_T::value_type>(CONFIG_T::chosen::of(CONFIG_T::channel(at), channels));
        if (at.third == CONFIG_T::third_size - 1)
            res.write(out);
        axes_next<CONFIG_T>(at);
    }
}

} // namespace hw_amc

#endif
