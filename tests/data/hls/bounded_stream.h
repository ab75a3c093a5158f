// hls::stream of a bounded size between threads, as hardware has it: a write waits while it is full, a read while it
// is empty. `held` elements may lie in the writer's pipeline: they come out when others push them, or at the frame's end.
#ifndef BOUNDED_STREAM_H_
#define BOUNDED_STREAM_H_

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>

namespace hls {

template <class T> class stream {
  public:
    explicit stream(const char *) : stream("", 2, 0) {}
    stream(const char *name, size_t depth, size_t held) : name(name), depth(depth), held(held) {}
    stream(const stream &) = delete;

    T read() {
        std::unique_lock<std::mutex> lock(mutex);
        wait(lock, [&] { return !elements.empty(); });
        const T element = elements.front();
        elements.pop_front();
        changed.notify_all();
        return element;
    }
    void write(const T &element) {
        pipeline.push_back(element);
        while (pipeline.size() > held)
            push();
    }
    void flush() {
        while (!pipeline.empty())
            push();
    }

  private:
    void push() {
        std::unique_lock<std::mutex> lock(mutex);
        wait(lock, [&] { return elements.size() < depth; });
        elements.push_back(pipeline.front());
        pipeline.pop_front();
        changed.notify_all();
    }
    template <class ready_T> void wait(std::unique_lock<std::mutex> &lock, ready_T ready) {
        if (!changed.wait_for(lock, std::chrono::seconds(PATIENCE_S), ready)) {
            std::printf("DEADLOCK at %s\n", name);
            std::fflush(stdout);
            std::_Exit(3);
        }
    }

    const char *name;
    size_t depth, held;
    std::deque<T> elements, pipeline;
    std::mutex mutex;
    std::condition_variable changed;
};

} // namespace hls

#endif
