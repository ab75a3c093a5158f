#ifndef HW_AMC_WINDOW_H_
#define HW_AMC_WINDOW_H_

// A window that moves over an image in the order of the stream; over time it is an image of height 1.
//
// One place of the image, what lies outside it included, is read a turn. Each row of taps has registers as wide as the
// window reaches; what falls out of one enters the row above as many turns later as an image is wide.

#include "hw_amc_types.h"

namespace hw_amc {

// Elements on their way from one row of the window to the row above, in a memory: of each row one word is read and
// written a turn, at the place where it stood LENGTH turns before.
template <class raw_T, int ROWS, int CHANNELS, int LENGTH> struct line_memory {
    static const int length = LENGTH;
    raw_T words[ROWS][CHANNELS][LENGTH];
    line_memory() {
        #pragma HLS ARRAY_PARTITION variable=words complete dim=1
        #pragma HLS ARRAY_RESHAPE variable=words complete dim=2
        #pragma HLS BIND_STORAGE variable=words type=ram_s2p impl=bram
        #pragma HLS DEPENDENCE variable=words inter false
    }
    void pass(unsigned row, unsigned channel, int place, raw_T &value) {
        #pragma HLS INLINE
        const raw_T before = words[row][channel][place];
        words[row][channel][place] = value;
        value = before;
    }
};

// The same in registers that shift.
template <class raw_T, int ROWS, int CHANNELS, int LENGTH> struct line_registers {
    static const int length = LENGTH;
    raw_T words[ROWS][CHANNELS][LENGTH];
    line_registers() {
        #pragma HLS ARRAY_PARTITION variable=words complete dim=0
    }
    void pass(unsigned row, unsigned channel, int, raw_T &value) {
        #pragma HLS INLINE
        const raw_T before = words[row][channel][0];
        for (int i = 0; i < LENGTH - 1; i++) {
            #pragma HLS UNROLL
            words[row][channel][i] = words[row][channel][i + 1];
        }
        words[row][channel][LENGTH - 1] = value;
        value = before;
    }
};

// Nothing lies between the rows, or there is one only.
template <class raw_T, int ROWS, int CHANNELS, int LENGTH> struct line_wires {
    static const int length = LENGTH;
    void pass(unsigned, unsigned, int, raw_T &) {
        #pragma HLS INLINE
    }
};

// Where the scan is: row and column with what lies outside, turns until a window ends there, place in the lines.
struct scan_state {
    int row, column, row_wait, column_wait, place;
};

template <typename CONFIG_T> void scan_begin(scan_state &at) {
    #pragma HLS INLINE
    at.row = at.column = at.place = 0;
    at.row_wait = CONFIG_T::reach_rows - 1;
    at.column_wait = CONFIG_T::span_columns - 1;
}

// Whether a window ends here.
inline bool scan_due(const scan_state &at) {
    #pragma HLS INLINE
    return at.row_wait == 0 && at.column_wait == 0;
}

template <typename CONFIG_T> void scan_next(scan_state &at) {
    #pragma HLS INLINE
    at.place = at.place == CONFIG_T::lines_t::length - 1 ? 0 : at.place + 1;
    if (at.column == CONFIG_T::width - 1) {
        at.column = 0;
        at.column_wait = CONFIG_T::span_columns - 1;
        at.row++;
        at.row_wait = at.row_wait == 0 ? CONFIG_T::stride_rows - 1 : at.row_wait - 1;
    } else {
        at.column++;
        at.column_wait = at.column_wait == 0 ? CONFIG_T::stride_columns - 1 : at.column_wait - 1;
    }
}

// The element at a place: the stream's, or what lies outside.
template <class data_T, typename CONFIG_T>
void window_element(const scan_state &at, hls::stream<data_T> &data, typename CONFIG_T::operand_raw_t *element) {
    #pragma HLS INLINE
    const bool row_inside = at.row >= CONFIG_T::top && at.row < CONFIG_T::top + CONFIG_T::rows;
    const bool column_inside = at.column >= CONFIG_T::left && at.column < CONFIG_T::left + CONFIG_T::columns;
    if (row_inside && column_inside) {
        const data_T in = data.read();
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            element[c] = raw(in[c]);
        }
    } else {
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            element[c] = constant<typename CONFIG_T::operand_raw_t>(CONFIG_T::outside);
        }
    }
}

template <class data_T, typename CONFIG_T>
void window_read(const scan_state &at, hls::stream<data_T> &data, typename CONFIG_T::lines_t &lines,
                 typename CONFIG_T::operand_raw_t *window) {
    #pragma HLS INLINE
    const unsigned channels = data_T::size, length = CONFIG_T::span_columns * channels;
    typename CONFIG_T::operand_raw_t entering[channels];
    #pragma HLS ARRAY_PARTITION variable=entering complete
    for (unsigned row = 0; row < CONFIG_T::span_rows; row++) {
        #pragma HLS UNROLL
        if (row == CONFIG_T::span_rows - 1) {
            window_element<data_T, CONFIG_T>(at, data, entering);
        } else {
            for (unsigned c = 0; c < channels; c++) {
                #pragma HLS UNROLL
                entering[c] = window[(row + 1) * length + c];
                lines.pass(row, c, at.place, entering[c]);
            }
        }
        for (unsigned i = 0; i < length - channels; i++) {
            #pragma HLS UNROLL
            window[row * length + i] = window[row * length + i + channels];
        }
        for (unsigned c = 0; c < channels; c++) {
            #pragma HLS UNROLL
            window[row * length + length - channels + c] = entering[c];
        }
    }
}

} // namespace hw_amc

#endif
