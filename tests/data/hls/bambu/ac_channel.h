// A channel as a queue: what stands in for bambu's own where its text is simulated without it.
#ifndef AC_CHANNEL_H_
#define AC_CHANNEL_H_

#include <deque>

template <class T> class ac_channel {
  public:
    T read() {
        const T word = words.front();
        words.pop_front();
        return word;
    }
    void write(const T &word) { words.push_back(word); }
    bool empty() const { return words.empty(); }

  private:
    std::deque<T> words;
};

#endif
