//! Which sockets the processes of a group listen on. Linux tells it in `/proc`; elsewhere nothing is known.

use std::net::SocketAddr;

use nix::unistd::Pid;

/// The addresses at which the group's processes listen for TCP, in order.
#[cfg(target_os = "linux")]
pub(super) fn addresses(group: Pid) -> Vec<SocketAddr> {
    proc_files::addresses(group)
}

/// Other systems do not tell without foreign code.
#[cfg(not(target_os = "linux"))]
pub(super) fn addresses(_: Pid) -> Vec<SocketAddr> {
    Vec::new()
}

/// Reading of `/proc` (proc(5), `proc_pid_stat`, `proc_pid_net`). A process that is gone meanwhile has no files there, and counts
/// as one without sockets.
#[cfg(target_os = "linux")]
mod proc_files {
    use std::collections::HashSet;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::path::{Path, PathBuf};

    use nix::unistd::Pid;

    pub(super) fn addresses(group: Pid) -> Vec<SocketAddr> {
        let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        let members: Vec<PathBuf> = folders.filter(|folder| group_of(folder) == Some(group)).collect();
        let sockets: HashSet<String> = members.iter().flat_map(|folder| sockets(folder)).collect();
        let tables =
            members.iter().flat_map(|folder| ["net/tcp", "net/tcp6"].map(|table| folder.join(table)));
        let tables = tables.filter_map(|table| std::fs::read_to_string(table).ok());
        let listening = |table: String| -> Vec<SocketAddr> {
            table.lines().filter_map(|line| listener(line, &sockets)).collect()
        };
        let mut found: Vec<SocketAddr> = tables.flat_map(listening).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The process group of `/proc/PID`: the third field behind the name, which may have spaces and parentheses in it.
    fn group_of(folder: &Path) -> Option<Pid> {
        folder.file_name()?.to_str()?.parse::<u32>().ok()?;
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_whitespace().nth(2)?.parse().ok().map(Pid::from_raw)
    }

    /// The inodes of a process's sockets.
    fn sockets(folder: &Path) -> Vec<String> {
        let descriptors = std::fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let inode =
            |target: PathBuf| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
        targets.filter_map(inode).collect()
    }

    /// The address of a line of a table, where one of these sockets listens there.
    fn listener(line: &str, sockets: &HashSet<String>) -> Option<SocketAddr> {
        const LISTEN: &str = "0A";
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        if *state != LISTEN || !sockets.contains(*inode) {
            return None;
        }
        let (host, port) = local.split_once(':')?;
        Some(SocketAddr::new(address(host)?, u16::from_str_radix(port, 16).ok()?))
    }

    /// An address in hexadecimal digits: words of 32 bits, each in the byte order of the machine.
    fn address(digits: &str) -> Option<IpAddr> {
        let word = |at: usize| u32::from_str_radix(digits.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
        match digits.len() {
            8 => word(0).map(|bytes| Ipv4Addr::from(bytes).into()),
            32 => {
                let words = [word(0)?, word(8)?, word(16)?, word(24)?];
                let bytes: [u8; 16] = words.as_flattened().try_into().ok()?;
                Some(Ipv6Addr::from(bytes).into())
            }
            _ => None,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// As the kernel of a machine with the least significant byte first writes it.
        #[cfg(target_endian = "little")]
        #[test]
        fn lines_of_listening_sockets_are_read() {
            let own = HashSet::from(["4711".to_owned()]);
            let check = |local: &str, state: &str, inode: &str, expected: Option<&str>| {
                let line = format!(
                    "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0 100"
                );
                assert_eq!(
                    listener(&line, &own),
                    expected.map(|text| text.parse().expect("an address")),
                    "{line}"
                );
            };
            check("0100007F:1F90", "0A", "4711", Some("127.0.0.1:8080"));
            check("00000000:0050", "0A", "4711", Some("0.0.0.0:80"));
            check("00000000000000000000000001000000:1F90", "0A", "4711", Some("[::1]:8080"));
            check("00000000000000000000000000000000:1F90", "0A", "4711", Some("[::]:8080"));
            check("0100007F:1F90", "01", "4711", None);
            check("0100007F:1F90", "0A", "4712", None);
        }

        #[test]
        fn a_socket_of_the_own_group_is_found() {
            let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let address = socket.local_addr().expect("an address");
            assert!(addresses(nix::unistd::getpgrp()).contains(&address), "{address}");
        }
    }
}
