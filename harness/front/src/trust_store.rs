//! The run's certificate authority as a Java virtual machine wants it: a PKCS#12 file (RFC 7292) with one trusted certificate.
//!
//! Called by [`crate::tls::Authority`]. There is nothing secret in a certificate, so the file is neither encrypted nor signed,
//! and opens with any password and with none. Nothing reads such files here.

use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag, construct_der};

/// PKCS #7 `data`, RFC 5652.
const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];
/// PKCS #12 `certBag`, RFC 7292.
const CERT_BAG: &[u64] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 3];
/// PKCS #9 `x509Certificate` and `friendlyName`, RFC 2985.
const X509_CERTIFICATE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u64] = &[1, 2, 840, 113_549, 1, 9, 20];
/// Oracle's `trustedKeyUsage`: without it, Java takes a certificate for a link of some key's chain and does not trust it.
const TRUSTED_KEY_USAGE: &[u64] = &[2, 16, 840, 1, 113_894, 746_875, 1, 1];
/// `anyExtendedKeyUsage`, RFC 5280.
const ANY_USAGE: &[u64] = &[2, 5, 29, 37, 0];

/// What a PKCS#12 file with this certificate, in DER, holds.
pub(crate) fn pkcs12(certificate: &[u8]) -> Vec<u8> {
    let bags = construct_der(|bags| bags.write_sequence(|bags| bag(bags.next(), certificate)));
    let safes = construct_der(|safes| safes.write_sequence(|safes| data(safes.next(), &bags)));
    construct_der(|file| {
        file.write_sequence(|file| {
            file.next().write_u8(3);
            data(file.next(), &safes);
        });
    })
}

/// Content that is neither encrypted nor signed.
fn data(content: DERWriter<'_>, bytes: &[u8]) {
    content.write_sequence(|content| {
        oid(content.next(), DATA);
        content.next().write_tagged(Tag::context(0), |value| value.write_bytes(bytes));
    });
}

/// A trusted certificate and its name in the file.
fn bag(bag: DERWriter<'_>, certificate: &[u8]) {
    bag.write_sequence(|bag| {
        oid(bag.next(), CERT_BAG);
        bag.next().write_tagged(Tag::context(0), |value| {
            value.write_sequence(|value| {
                oid(value.next(), X509_CERTIFICATE);
                value.next().write_tagged(Tag::context(0), |value| value.write_bytes(certificate));
            });
        });
        bag.next().write_set(|attributes| {
            attribute(attributes.next(), FRIENDLY_NAME, |value| value.write_bmp_string("spanwise"));
            attribute(attributes.next(), TRUSTED_KEY_USAGE, |value| oid(value, ANY_USAGE));
        });
    });
}

fn attribute(attribute: DERWriter<'_>, name: &[u64], value: impl FnOnce(DERWriter<'_>)) {
    attribute.write_sequence(|attribute| {
        oid(attribute.next(), name);
        attribute.next().write_set(|values| value(values.next()));
    });
}

fn oid(writer: DERWriter<'_>, components: &[u64]) {
    writer.write_oid(&ObjectIdentifier::from_slice(components));
}
