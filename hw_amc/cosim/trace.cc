// The harness with toggle counts: every cycle of a part of a run goes into a SAIF file (hw_amc/cosim/activity.py).
//
// Verilator counts a bit's change from 0 to what it is when the file is opened as a toggle. A file that is closed at
// once has these alone, so that the caller can take them off.
#include "harness.cc"

#include "verilated_saif_c.h"

extern "C" {

// Begins a file with the values of now; the time of cycle n is n * period.
void* amc_trace_open(void* handle, const char* path, uint64_t period) {
    Sim* sim = sim_of(handle);
    sim->context.traceEverOn(true);
    auto* saif = new VerilatedSaifC;
    sim->top->trace(saif, 99);
    saif->open(path);
    saif->dump(sim->cycle * period);
    return saif;
}

// Advances as amc_advance does without an event to stop at, and counts what toggles in each cycle.
uint64_t amc_trace_advance(void* handle, void* trace, uint64_t period, uint64_t max_cycles, uint64_t words) {
    Sim* sim = sim_of(handle);
    auto* saif = static_cast<VerilatedSaifC*>(trace);
    uint64_t passed = 0;
    unsigned events = 0;
    while (passed < max_cycles && sim->received.size() < words) {
        sim->tick(&events);
        ++passed;
        saif->dump(sim->cycle * period);
    }
    return passed;
}

void amc_trace_close(void* trace) {
    auto* saif = static_cast<VerilatedSaifC*>(trace);
    saif->close();
    delete saif;
}

}  // extern "C"
