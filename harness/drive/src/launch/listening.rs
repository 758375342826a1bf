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
    use std::fs::File;
    use std::io::{BufRead, BufReader};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::path::{Path, PathBuf};

    use nix::unistd::Pid;

    pub(super) fn addresses(group: Pid) -> Vec<SocketAddr> {
        let members = members(group);
        let sockets: HashSet<String> = members.iter().flat_map(|member| sockets(&folder(*member))).collect();
        // The members share a network, so that the leader's tables are the tables of all.
        let tables = ["net/tcp", "net/tcp6"].map(|table| folder(group).join(table));
        let mut found: Vec<SocketAddr> = tables.iter().flat_map(|table| listeners(table, &sockets)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn folder(process: Pid) -> PathBuf {
        Path::new("/proc").join(process.to_string())
    }

    /// The leader and those of its descendants that are still in its group. The machine may have thousands of processes, so the
    /// search begins at the leader.
    fn members(group: Pid) -> Vec<Pid> {
        let mut members = vec![group];
        let mut next = 0;
        while let Some(parent) = members.get(next).copied() {
            members.extend(children(parent).into_iter().filter(|child| group_of(*child) == Some(group)));
            next += 1;
        }
        members
    }

    /// The children that any thread of the process started (proc(5), `proc_tid_children`).
    fn children(parent: Pid) -> Vec<Pid> {
        let threads = std::fs::read_dir(folder(parent).join("task")).into_iter().flatten().flatten();
        let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        let pids = |list: String| -> Vec<Pid> {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
        };
        lists.flat_map(pids).collect()
    }

    /// The process group of a process: the third field behind the name, which may have spaces and parentheses in it.
    fn group_of(process: Pid) -> Option<Pid> {
        let stat = std::fs::read_to_string(folder(process).join("stat")).ok()?;
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

    /// The addresses at which these sockets listen. A table has the listening sockets first and the connections, of which there may
    /// be thousands, behind them (Linux `Documentation/networking/proc_net_tcp.rst`), so it is read no further than that.
    fn listeners(table: &Path, sockets: &HashSet<String>) -> Vec<SocketAddr> {
        let lines = File::open(table).map(|file| BufReader::new(file).lines()).into_iter().flatten();
        let entries = lines.map_while(Result::ok).skip(1).map_while(|line| Entry::listening(&line));
        entries.filter(|entry| sockets.contains(&entry.inode)).map(|entry| entry.address).collect()
    }

    /// A listening socket, as a table shows it.
    #[derive(Debug, PartialEq)]
    struct Entry {
        address: SocketAddr,
        inode: String,
    }

    impl Entry {
        /// `None` where the socket of the line does not listen.
        fn listening(line: &str) -> Option<Self> {
            const LISTEN: &str = "0A";
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            if *state != LISTEN {
                return None;
            }
            let (host, port) = local.split_once(':')?;
            let address = SocketAddr::new(address(host)?, u16::from_str_radix(port, 16).ok()?);
            Some(Self { address, inode: (*inode).to_owned() })
        }
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
        use std::net::{TcpListener, TcpStream};

        use super::*;

        /// As the kernel of a machine with the least significant byte first writes it.
        #[cfg(target_endian = "little")]
        #[test]
        fn lines_of_listening_sockets_are_read() {
            let check = |local: &str, state: &str, expected: Option<&str>| {
                let line = format!(
                    "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100"
                );
                let expected = expected.map(|text| Entry {
                    address: text.parse().expect("an address"),
                    inode: "4711".to_owned(),
                });
                assert_eq!(Entry::listening(&line), expected, "{line}");
            };
            check("0100007F:1F90", "0A", Some("127.0.0.1:8080"));
            check("00000000:0050", "0A", Some("0.0.0.0:80"));
            check("00000000000000000000000001000000:1F90", "0A", Some("[::1]:8080"));
            check("00000000000000000000000000000000:1F90", "0A", Some("[::]:8080"));
            check("0100007F:1F90", "01", None);
        }

        /// Connections stand behind the listening sockets, so that one between them would hide what comes after.
        #[test]
        fn the_sockets_of_a_process_are_found_beside_connections() {
            let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let address = |socket: &TcpListener| socket.local_addr().expect("an address");
            let _connected = TcpStream::connect(address(&first)).expect("a connection");
            let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let found = addresses(nix::unistd::getpid());
            for expected in [address(&first), address(&second)] {
                assert!(found.contains(&expected), "{expected} is not in {found:?}");
            }
        }

        #[test]
        fn a_child_of_the_group_counts_and_one_of_another_group_does_not() {
            use std::os::unix::process::CommandExt;
            use std::process::{Command, Stdio};

            // It runs until its input ends.
            let start = |group: i32| {
                let mut command = Command::new("cat");
                command.stdin(Stdio::piped()).stdout(Stdio::null());
                command.process_group(group).spawn().expect("a child")
            };
            let own = nix::unistd::getpgrp();
            let mut inside = start(own.as_raw());
            let mut outside = start(0);
            let pid = |child: &std::process::Child| Pid::from_raw(child.id().cast_signed());
            let found = children(nix::unistd::getpid());
            assert!(found.contains(&pid(&inside)) && found.contains(&pid(&outside)), "{found:?}");
            assert_eq!((group_of(pid(&inside)), group_of(pid(&outside))), (Some(own), Some(pid(&outside))));
            for child in [&mut inside, &mut outside] {
                drop(child.stdin.take());
                child.wait().expect("an end");
            }
        }
    }
}
