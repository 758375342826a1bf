//! The mock of Google Cloud Trace and OTLP: keeps payload bytes by source and trace.
