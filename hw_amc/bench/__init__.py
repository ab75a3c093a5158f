"""An accelerator through driver and PYNQ: behavioural, in simulation, or on a board."""
