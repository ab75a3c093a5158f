"""The notebooks as a package, `hw_amc.notebooks`: what `pynq get-notebooks hw-amc` delivers on a board."""
