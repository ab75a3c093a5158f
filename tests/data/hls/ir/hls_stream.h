// A stream whose ends are volatile registers, an element's value each: no read or write is dropped, merged or moved.
// Without __SYNTHESIS__ it is a queue, so that the same types can be simulated.
#ifndef IR_HLS_STREAM_H_
#define IR_HLS_STREAM_H_

#include "ap_int.h"

#ifdef __SYNTHESIS__

namespace hls {

template <class T> class stream {
  public:
    T read() {
        T out;
        #pragma clang loop unroll(full)
        for (unsigned i = 0; i < T::size; i++)
            out[i].v = in[i];
        return out;
    }
    void write(const T &element) {
        #pragma clang loop unroll(full)
        for (unsigned i = 0; i < T::size; i++)
            out[i] = element[i].v;
    }

  private:
    volatile typename T::value_type::raw_t in[T::size], out[T::size];
};

} // namespace hls

#else

#include <cstddef>
#include <deque>
#include <string>

namespace hls {

template <class T> class stream {
  public:
    stream() {}
    explicit stream(const std::string &) {}
    T read() {
        const T element = elements.front();
        elements.pop_front();
        return element;
    }
    void write(const T &element) { elements.push_back(element); }
    bool empty() const { return elements.empty(); }
    std::size_t size() const { return elements.size(); }

  private:
    std::deque<T> elements;
};

} // namespace hls

#endif
#endif
