// One accelerator as a shared object: streams, AXI4-Lite and a clock behind a C interface (hw_amc/cosim/verilated.py).
//
// Ports are those of every top module of hw_amc.rtl.shell.accelerator. A cycle: inputs change while the clock is low, handshakes
// are read off when all has settled, then the clock rises. Nothing here is shared between instances.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr uint32_t kBusLimit = 1000;  // cycles after which an AXI4-Lite access counts as hung

struct Received {
    uint32_t data;
    uint8_t last;
    uint64_t cycle;
};

// Events of a cycle, and what amc_advance stops at: a word with TLAST was received; the last queued word was
// accepted; the sink's room is used up.
constexpr unsigned kLast = 1, kEmpty = 2, kFull = 4;

// A repeating pattern of enabled and idle cycles; empty: always enabled.
struct Pattern {
    std::vector<uint8_t> bits;
    size_t at = 0;

    bool next() {
        if (bits.empty()) return true;
        const bool bit = bits[at] != 0;
        at = at + 1 == bits.size() ? 0 : at + 1;
        return bit;
    }
};

struct Sim {
    VerilatedContext context;
    std::unique_ptr<Vtop> top;
    uint64_t cycle = 0;
    // Source.
    std::vector<uint32_t> words;
    std::vector<uint8_t> lasts;
    size_t at = 0;
    bool offered = false;
    Pattern source_pattern;
    uint64_t accepted = 0;
    uint64_t accept_cycle = 0;
    uint64_t mark_cycle = 0;
    bool marked = false;
    // Sink.
    std::deque<Received> received;
    uint64_t room = UINT64_MAX;
    bool room_ends_at_last = false;
    Pattern sink_pattern;

    Sim() : top(new Vtop(&context)) {
        clear();
        top->aresetn = 0;
        top->aclk = 0;
        top->eval();
    }

    void forget_words() {
        words.clear();
        lasts.clear();
        at = 0;
        offered = false;
    }

    void clear() {
        forget_words();
        received.clear();
        top->s_axis_tvalid = 0;
        top->m_axis_tready = 0;
        top->s_axi_awvalid = 0;
        top->s_axi_wvalid = 0;
        top->s_axi_bready = 0;
        top->s_axi_arvalid = 0;
        top->s_axi_rready = 0;
    }

    // What happened on the bus in one cycle.
    struct Bus {
        bool aw, w, b, ar, r;
    };

    // One clock cycle; `events` tells what it brought.
    Bus tick(unsigned* events) {
        if (!offered && at < words.size() && source_pattern.next()) offered = true;
        top->s_axis_tvalid = offered;
        if (offered) {
            top->s_axis_tdata = words[at];
            top->s_axis_tlast = lasts[at];
        }
        top->m_axis_tready = sink_pattern.next() && room > 0;
        top->aclk = 0;
        top->eval();
        const bool take = offered && top->s_axis_tready;
        const bool give = top->m_axis_tready && top->m_axis_tvalid;
        const Bus bus = {static_cast<bool>(top->s_axi_awvalid && top->s_axi_awready),
                         static_cast<bool>(top->s_axi_wvalid && top->s_axi_wready),
                         static_cast<bool>(top->s_axi_bvalid && top->s_axi_bready),
                         static_cast<bool>(top->s_axi_arvalid && top->s_axi_arready),
                         static_cast<bool>(top->s_axi_rvalid && top->s_axi_rready)};
        *events = 0;
        if (give) {
            received.push_back({top->m_axis_tdata, static_cast<uint8_t>(top->m_axis_tlast), cycle});
            if (room != UINT64_MAX) --room;
            if (top->m_axis_tlast) {
                *events |= kLast;
                if (room_ends_at_last) room = 0;
            }
            if (room == 0) *events |= kFull;
        }
        if (take) {
            if (!marked) {
                marked = true;
                mark_cycle = cycle;
            }
            accept_cycle = cycle;
            ++accepted;
            offered = false;
            if (++at == words.size()) {
                forget_words();
                *events |= kEmpty;
            }
        }
        bus_data = top->s_axi_rdata;
        bus_response = bus.b ? top->s_axi_bresp : top->s_axi_rresp;
        top->aclk = 1;
        top->eval();
        ++cycle;
        return bus;
    }

    uint32_t bus_data = 0;
    uint8_t bus_response = 0;
};

Sim* sim_of(void* handle) { return static_cast<Sim*>(handle); }

}  // namespace

extern "C" {

void* amc_new() { return new Sim; }

void amc_delete(void* handle) {
    sim_of(handle)->top->final();
    delete sim_of(handle);
}

uint64_t amc_cycle(void* handle) { return sim_of(handle)->cycle; }

// Holds aresetn low for `cycles`; words queued on either side are dropped.
void amc_reset(void* handle, uint64_t cycles) {
    Sim* sim = sim_of(handle);
    unsigned events;
    sim->clear();
    sim->top->aresetn = 0;
    for (uint64_t i = 0; i < cycles; ++i) sim->tick(&events);
    sim->received.clear();
    sim->top->aresetn = 1;
}

#ifdef AMC_FARM
void amc_select(void* handle, uint32_t index) { sim_of(handle)->top->select = index; }
#endif

// Queues words for s_axis; `last` puts TLAST on the last of them.
void amc_push(void* handle, const uint32_t* words, uint64_t count, int last) {
    Sim* sim = sim_of(handle);
    if (count == 0) return;
    sim->words.insert(sim->words.end(), words, words + count);
    sim->lasts.insert(sim->lasts.end(), count, 0);
    sim->lasts.back() = last != 0;
}

// Forgets queued words that were not accepted.
void amc_drop(void* handle) { sim_of(handle)->forget_words(); }

uint64_t amc_pending(void* handle) { return sim_of(handle)->words.size() - sim_of(handle)->at; }

uint64_t amc_received(void* handle) { return sim_of(handle)->received.size(); }

// Moves up to `max` received words out, no further than a TLAST if `to_last`. Returns how many.
uint64_t amc_pop(void* handle, uint32_t* words, uint8_t* lasts, uint64_t* cycles, uint64_t max, int to_last) {
    Sim* sim = sim_of(handle);
    uint64_t count = 0;
    bool done = false;
    while (count < max && !sim->received.empty() && !done) {
        const Received& word = sim->received.front();
        words[count] = word.data;
        lasts[count] = word.last;
        cycles[count] = word.cycle;
        done = to_last && word.last;
        sim->received.pop_front();
        ++count;
    }
    return count;
}

// The sink takes `words` more words (UINT64_MAX: no limit), or fewer if `to_last` and TLAST comes before; then it
// holds m_axis_tready low.
void amc_room(void* handle, uint64_t words, int to_last) {
    sim_of(handle)->room = words;
    sim_of(handle)->room_ends_at_last = to_last != 0;
}

// Repeating pattern of one byte a cycle: side 0 gates new words on s_axis, side 1 is m_axis_tready.
void amc_pattern(void* handle, int side, const uint8_t* bits, uint64_t count) {
    Pattern& pattern = side ? sim_of(handle)->sink_pattern : sim_of(handle)->source_pattern;
    pattern.bits.assign(bits, bits + count);
    pattern.at = 0;
}

// Advances until `words` words wait to be popped, or an event of the mask `stop` happened, or `max_cycles` passed.
// Returns the cycles that passed; `seen` receives the events that stopped it.
uint64_t amc_advance(void* handle, uint64_t max_cycles, uint64_t words, unsigned stop, unsigned* seen) {
    Sim* sim = sim_of(handle);
    uint64_t passed = 0;
    unsigned events = 0;
    while (passed < max_cycles && sim->received.size() < words && !(events & stop)) {
        sim->tick(&events);
        ++passed;
    }
    *seen = events & stop;
    return passed;
}

uint64_t amc_accepted(void* handle) { return sim_of(handle)->accepted; }

// Cycle of the first word accepted since the last call of amc_mark; UINT64_MAX: none yet.
uint64_t amc_mark_cycle(void* handle) {
    return sim_of(handle)->marked ? sim_of(handle)->mark_cycle : UINT64_MAX;
}

void amc_mark(void* handle) { sim_of(handle)->marked = false; }

// Ports as they stand: bit 0 s_axis_tvalid, 1 s_axis_tready, 2 m_axis_tvalid, 3 m_axis_tready.
uint32_t amc_ports(void* handle) {
    Vtop* top = sim_of(handle)->top.get();
    return (top->s_axis_tvalid & 1) | (top->s_axis_tready & 1) << 1 | (top->m_axis_tvalid & 1) << 2 |
           (top->m_axis_tready & 1) << 3;
}

// AXI4-Lite write; the streams go on meanwhile. Returns the response, or -1 when nothing answered.
int amc_write(void* handle, uint32_t address, uint32_t data, uint32_t strobe) {
    Sim* sim = sim_of(handle);
    unsigned events;
    sim->top->s_axi_awaddr = address;
    sim->top->s_axi_awvalid = 1;
    sim->top->s_axi_wdata = data;
    sim->top->s_axi_wstrb = strobe;
    sim->top->s_axi_wvalid = 1;
    sim->top->s_axi_bready = 1;
    int response = -1;
    for (uint32_t i = 0; i < kBusLimit && response < 0; ++i) {
        const Sim::Bus bus = sim->tick(&events);
        if (bus.aw) sim->top->s_axi_awvalid = 0;
        if (bus.w) sim->top->s_axi_wvalid = 0;
        if (bus.b) response = sim->bus_response;
    }
    sim->top->s_axi_awvalid = 0;
    sim->top->s_axi_wvalid = 0;
    sim->top->s_axi_bready = 0;
    return response;
}

// AXI4-Lite read; returns the response, or -1 when nothing answered.
int amc_read(void* handle, uint32_t address, uint32_t* data) {
    Sim* sim = sim_of(handle);
    unsigned events;
    sim->top->s_axi_araddr = address;
    sim->top->s_axi_arvalid = 1;
    sim->top->s_axi_rready = 1;
    int response = -1;
    for (uint32_t i = 0; i < kBusLimit && response < 0; ++i) {
        const Sim::Bus bus = sim->tick(&events);
        if (bus.ar) sim->top->s_axi_arvalid = 0;
        if (bus.r) {
            response = sim->bus_response;
            *data = sim->bus_data;
        }
    }
    sim->top->s_axi_arvalid = 0;
    sim->top->s_axi_rready = 0;
    return response;
}

}  // extern "C"
