"""What board and host share: registers, manifest, words of the wire. numpy only."""
