//! The transparent proxy before each hop: ends TLS, taps the wire, forwards.
