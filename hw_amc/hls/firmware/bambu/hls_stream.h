// Streams for bambu (PandA): its channels carry machine words, of up to 64 bits. Elements are packed into them, as many
// fields to a word as fit. Channels of ap_int would do it in fewer words, but go through memories, which lose bits of
// widths that are no whole bytes.
#ifndef BAMBU_HLS_STREAM_H_
#define BAMBU_HLS_STREAM_H_

#include "ac_channel.h"
#include "ap_int.h"

namespace hls {

template <int W> struct machine_word {
    typedef typename std::conditional<(W > 16), unsigned, unsigned short>::type upto_32;
    typedef typename std::conditional<(W > 32), unsigned long long, upto_32>::type type;
};

// An element's numbers: those of an array, or the element itself.
template <class T, class = void> struct numbers_of {
    typedef typename T::value_type number;
    static const int count = T::size;
    static number &at(T &element, int place) { return element.data[place]; }
    static const number &at(const T &element, int place) { return element.data[place]; }
};
template <class T> struct numbers_of<T, typename std::enable_if<(T::width > 0)>::type> {
    typedef T number;
    static const int count = 1;
    static T &at(T &element, int) { return element; }
    static const T &at(const T &element, int) { return element; }
};

template <class T> class stream {
  public:
    typedef numbers_of<T> numbers;
    typedef typename numbers::number number;
    static const int bits = number::width;
    static const int each = numbers::count * bits <= 64 ? numbers::count : 64 / bits;
    static const int words = (numbers::count + each - 1) / each;
    typedef typename machine_word<each * bits>::type word_t;
    typedef ac_channel<word_t> channel;
    // A signed number alone in its word has its sign changed: bambu would take a narrower one for unsigned.
    static const word_t offset = numbers::count == 1 && number::is_signed ? word_t(1) << (bits - 1) : word_t(0);

    explicit stream(channel &ends) : ends(ends) {}

    // bambu may exchange calls of one channel, so that there is one place of each, in a loop that stays one.
    T read() {
        word_t all[words];
        #pragma clang loop unroll(disable)
        for (int turn = 0; turn < words; turn++) {
            shift(all);
            all[words - 1] = ends.read();
        }
        T element;
        #pragma clang loop unroll(full)
        for (int place = 0; place < numbers::count; place++)
            numbers::at(element, place).v = static_cast<typename number::raw_t>(
                field<number::is_signed>(all[place / each] ^ offset, bits * (place % each)));
        return element;
    }

    void write(const T &element) {
        word_t all[words];
        #pragma clang loop unroll(full)
        for (int turn = 0; turn < words; turn++)
            all[turn] = offset;
        #pragma clang loop unroll(full)
        for (int place = 0; place < numbers::count; place++)
            all[place / each] ^= static_cast<word_t>(static_cast<typename number::bits_t>(numbers::at(element, place).v))
                                 << (bits * (place % each));
        #pragma clang loop unroll(disable)
        for (int turn = 0; turn < words; turn++) {
            ends.write(all[0]);
            shift(all);
        }
    }

  private:
    static void shift(word_t *all) {
        #pragma clang loop unroll(full)
        for (int turn = 0; turn + 1 < words; turn++)
            all[turn] = all[turn + 1];
    }

    // Some bits of a word, with their sign.
    template <bool S>
    static typename std::conditional<S, long long, unsigned long long>::type field(unsigned long long word, int low) {
        typedef typename std::conditional<S, long long, unsigned long long>::type wide_t;
        return static_cast<wide_t>(word << (64 - bits - low)) >> (64 - bits);
    }

    channel &ends;
};

// The core's end: a word with its sign as it is. It stands in a process of its own, which knows nothing of the word.
template <class T> void restore(typename stream<T>::channel &from, typename stream<T>::channel &to) {
    to.write(from.read() ^ stream<T>::offset);
}

} // namespace hls

#endif
