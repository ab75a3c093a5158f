#ifndef HW_AMC_NATIVE_HLS_STREAM_H_
#define HW_AMC_NATIVE_HLS_STREAM_H_

// An unbounded first-in first-out queue on one block of memory: simulation runs one layer after another.

#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

namespace hls {

template <class T> class stream {
  public:
    stream() {}
    explicit stream(const std::string &) {}
    stream(const stream &) = delete;
    stream &operator=(const stream &) = delete;

    T read() {
        if (empty())
            std::abort();
        const std::size_t position = head++;
        return elements[position];
    }
    void write(const T &element) {
        if (empty()) {
            elements.clear();
            head = 0;
        }
        elements.push_back(element);
    }
    bool empty() const { return head == elements.size(); }
    std::size_t size() const { return elements.size() - head; }

  private:
    std::vector<T> elements;
    std::size_t head = 0;
};

} // namespace hls

#endif
