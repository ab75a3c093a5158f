#ifndef HW_AMC_KERNELS_H_
#define HW_AMC_KERNELS_H_

// Exact layers on io_stream: one element of a stream is one time step with all its channels.
//
// CONFIG_T comes from the Graph: shapes, formats, and the layer's constant products (nnet_code_gen.h). Every
// intermediate type is exact; rounding (half to even) and saturation happen only where a value enters a type
// declared with AP_RND_CONV and AP_SAT.
//
// Each kernel with products has two loops over time. At reuse factor 1 the product is unrolled text and the loop
// over time is pipelined. Above it the pipelined loop is the one over the rounds, inside the step.

#include "hw_amc_types.h"
#include "hw_amc_trace.h"
#include "nnet_types.h"

namespace hw_amc {

template <class data_T, class res_T, typename CONFIG_T>
void quantize(hls::stream<data_T> &data, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        data_T in = data.read();
        res_T out;
        HW_AMC_PACK(out)
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = in[c];
        }
        res.write(out);
    }
}

// ---- gated recurrent unit ------------------------------------------------------------------------------------

// clip((x + h + 1) / 2, 0, 1)
template <class gate_T, class x_T, class h_T> gate_T hard_sigmoid(const x_T &x, const h_T &h) {
    #pragma HLS INLINE
    typedef ap_ufixed<1, 1> one_t;
    typedef ap_ufixed<1, 0> half_t;
    gate_T gate = (x + h + unit<one_t>()) * unit<half_t>();
    return gate;
}

// The new state of one cell from its products with the input (x) and with the old state (h), gates z, r, c.
template <typename CONFIG_T, class x_T, class h_T>
typename CONFIG_T::state_t gru_cell(const x_T x[3], const h_T h[3], const typename CONFIG_T::state_t &old) {
    #pragma HLS INLINE
    typedef typename CONFIG_T::gate_t gate_t;
    typedef typename CONFIG_T::state_t state_t;
    typedef ap_ufixed<1, 1> one_t;
    const gate_t z = hard_sigmoid<gate_t>(x[0], h[0]);
    const gate_t r = hard_sigmoid<gate_t>(x[1], h[1]);
    const state_t candidate = x[2] + r * h[2];
    const state_t state = z * old + (unit<one_t>() - z) * candidate;
    return state;
}

template <class data_T, class res_T, typename CONFIG_T>
void gru_step(hls::stream<data_T> &data, hls::stream<res_T> &res, typename CONFIG_T::state_t h[CONFIG_T::units]) {
    #pragma HLS INLINE
    typedef typename CONFIG_T::input_product_t x_product_t;
    typedef typename CONFIG_T::recurrent_product_t h_product_t;
    typename CONFIG_T::input_raw_t x_raw[CONFIG_T::inputs];
    typename CONFIG_T::state_raw_t h_raw[CONFIG_T::units];
    typename CONFIG_T::input_product_raw_t m_x[3 * CONFIG_T::units];
    typename CONFIG_T::recurrent_product_raw_t m_h[3 * CONFIG_T::units];
    #pragma HLS ARRAY_PARTITION variable=x_raw complete
    #pragma HLS ARRAY_PARTITION variable=h_raw complete
    #pragma HLS ARRAY_PARTITION variable=m_x complete
    #pragma HLS ARRAY_PARTITION variable=m_h complete
    data_T in = data.read();
    for (unsigned i = 0; i < CONFIG_T::inputs; i++) {
        #pragma HLS UNROLL
        x_raw[i] = raw(in[i]);
    }
    for (unsigned i = 0; i < CONFIG_T::units; i++) {
        #pragma HLS UNROLL
        h_raw[i] = raw(h[i]);
    }
    CONFIG_T::input_product(x_raw, m_x);
    CONFIG_T::recurrent_product(h_raw, m_h);
    res_T out;
    HW_AMC_PACK(out)
Cells:
    for (unsigned first = 0; first < CONFIG_T::units; first += CONFIG_T::cells) {
        #pragma HLS PIPELINE II=1
        for (unsigned k = 0; k < CONFIG_T::cells; k++) {
            #pragma HLS UNROLL
            const unsigned i = first + k;
            if (i < CONFIG_T::units) {
                x_product_t x[3];
                h_product_t y[3];
                for (unsigned gate = 0; gate < 3; gate++) {
                    #pragma HLS UNROLL
                    x[gate] = from_raw<x_product_t>(m_x[gate * CONFIG_T::units + i]);
                    y[gate] = from_raw<h_product_t>(m_h[gate * CONFIG_T::units + i]);
                }
                h[i] = gru_cell<CONFIG_T>(x, y, h[i]);
                out[i] = h[i];
            }
        }
    }
    res.write(out);
}

template <class data_T, class res_T, typename CONFIG_T> void gru(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::state_t h[CONFIG_T::units];
    #pragma HLS ARRAY_PARTITION variable=h complete
    for (unsigned i = 0; i < CONFIG_T::units; i++) {
        #pragma HLS UNROLL
        h[i] = zero<typename CONFIG_T::state_t>();
    }
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        // No II is asked for: a step needs the state of the one before, so that the interval is the latency of the
        // loop through the recurrent product, the gates and the blend, whatever the reuse factor. The tool finds it.
        #pragma HLS PIPELINE
        gru_step<data_T, res_T, CONFIG_T>(data, res, h);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void gru_reuse(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::state_t h[CONFIG_T::units];
    #pragma HLS ARRAY_PARTITION variable=h complete
    for (unsigned i = 0; i < CONFIG_T::units; i++) {
        #pragma HLS UNROLL
        h[i] = zero<typename CONFIG_T::state_t>();
    }
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        gru_step<data_T, res_T, CONFIG_T>(data, res, h);
    }
}

// ---- convolution, stride 1, padding same ---------------------------------------------------------------------

template <class data_T, class res_T, typename CONFIG_T>
void conv1d_step(int t, hls::stream<data_T> &data, hls::stream<res_T> &res,
                 typename CONFIG_T::input_raw_t window[CONFIG_T::width * data_T::size]) {
    #pragma HLS INLINE
    const unsigned kept = (CONFIG_T::width - 1) * data_T::size;
    for (unsigned i = 0; i < kept; i++) {
        #pragma HLS UNROLL
        window[i] = window[i + data_T::size];
    }
    if (t < CONFIG_T::steps) {
        data_T in = data.read();
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            window[kept + c] = raw(in[c]);
        }
    } else {
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            clear(window[kept + c]);
        }
    }
    if (t >= CONFIG_T::ahead) {
        typename CONFIG_T::product_raw_t m[res_T::size];
        #pragma HLS ARRAY_PARTITION variable=m complete
        CONFIG_T::product(window, m);
        res_T out;
        HW_AMC_PACK(out)
        for (unsigned f = 0; f < res_T::size; f++) {
            #pragma HLS UNROLL
            out[f] = from_raw<typename res_T::value_type>(m[f]);
        }
        res.write(out);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void conv1d(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::input_raw_t window[CONFIG_T::width * data_T::size];
    #pragma HLS ARRAY_PARTITION variable=window complete
    for (unsigned i = 0; i < CONFIG_T::width * data_T::size; i++) {
        #pragma HLS UNROLL
        clear(window[i]);
    }
Steps:
    for (int t = 0; t < CONFIG_T::steps + CONFIG_T::ahead; t++) {
        #pragma HLS PIPELINE II=1
        conv1d_step<data_T, res_T, CONFIG_T>(t, data, res, window);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void conv1d_reuse(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::input_raw_t window[CONFIG_T::width * data_T::size];
    #pragma HLS ARRAY_PARTITION variable=window complete
    for (unsigned i = 0; i < CONFIG_T::width * data_T::size; i++) {
        #pragma HLS UNROLL
        clear(window[i]);
    }
Steps:
    for (int t = 0; t < CONFIG_T::steps + CONFIG_T::ahead; t++) {
        conv1d_step<data_T, res_T, CONFIG_T>(t, data, res, window);
    }
}

// ---- dense and affine: a product at each step ----------------------------------------------------------------

template <class data_T, class res_T, typename CONFIG_T>
void linear_step(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    typename CONFIG_T::input_raw_t x[data_T::size];
    typename CONFIG_T::product_raw_t m[res_T::size];
    #pragma HLS ARRAY_PARTITION variable=x complete
    #pragma HLS ARRAY_PARTITION variable=m complete
    data_T in = data.read();
    for (unsigned c = 0; c < data_T::size; c++) {
        #pragma HLS UNROLL
        x[c] = raw(in[c]);
    }
    CONFIG_T::product(x, m);
    res_T out;
    HW_AMC_PACK(out)
    for (unsigned j = 0; j < res_T::size; j++) {
        #pragma HLS UNROLL
        out[j] = from_raw<typename res_T::value_type>(m[j]);
    }
    res.write(out);
}

template <class data_T, class res_T, typename CONFIG_T>
void linear(hls::stream<data_T> &data, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        linear_step<data_T, res_T, CONFIG_T>(data, res);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void linear_reuse(hls::stream<data_T> &data, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        linear_step<data_T, res_T, CONFIG_T>(data, res);
    }
}

// ---- pooling -------------------------------------------------------------------------------------------------

// A mean of 2^k samples is their sum with the binary point moved k places: the result's format says so.
// Also the global mean, with one window for the whole frame.
template <class data_T, class res_T, typename CONFIG_T>
void mean_pool1d(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::sum_raw_t sum[data_T::size];
    #pragma HLS ARRAY_PARTITION variable=sum complete
Windows:
    for (int w = 0; w < CONFIG_T::windows; w++) {
    Samples:
        for (int i = 0; i < CONFIG_T::pool; i++) {
            #pragma HLS PIPELINE II=1
            data_T in = data.read();
            res_T out;
            HW_AMC_PACK(out)
            for (unsigned c = 0; c < data_T::size; c++) {
                #pragma HLS UNROLL
                if (i == 0)
                    clear(sum[c]);
                accumulate(sum[c], in[c]);
                out[c] = from_raw<typename res_T::value_type>(sum[c]);
            }
            if (i == CONFIG_T::pool - 1)
                res.write(out);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void max_pool1d(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    data_T largest;
    #pragma HLS ARRAY_PARTITION variable=largest.data complete
Windows:
    for (int w = 0; w < CONFIG_T::windows; w++) {
    Samples:
        for (int i = 0; i < CONFIG_T::pool; i++) {
            #pragma HLS PIPELINE II=1
            data_T in = data.read();
            res_T out;
            HW_AMC_PACK(out)
            for (unsigned c = 0; c < data_T::size; c++) {
                #pragma HLS UNROLL
                largest[c] = i == 0 ? in[c] : larger_of(largest[c], in[c]);
                out[c] = largest[c];
            }
            if (i == CONFIG_T::pool - 1)
                res.write(out);
        }
    }
}

} // namespace hw_amc

#endif
