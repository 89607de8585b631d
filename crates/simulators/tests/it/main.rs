//! The conformance tests of the simulators.
