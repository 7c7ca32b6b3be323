"""Captures the packets of a network link, or sends text over it in plaintext.

    link.py capture INTERFACE FILE   write all packets to FILE until the input ends
    link.py receive ADDRESS PORT     accept one connection and print its text
    link.py send ADDRESS PORT        send the input
"""

import select
import socket
import struct
import sys

ETH_P_ALL = 3
LARGEST_PACKET = 1 << 18

# Linux: getsockopt(SOL_PACKET, PACKET_STATISTICS).
SOL_PACKET = 263
PACKET_STATISTICS = 6


def capture(interface, file):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as link, open(file, "wb") as packets:
        link.bind((interface, ETH_P_ALL))
        print("capturing", flush=True)
        while True:
            ready, _, _ = select.select([link, sys.stdin], [], [])
            if link in ready:
                packets.write(link.recv(LARGEST_PACKET))
            else:
                break  # The input has ended, and no packet is waiting.
        statistics = link.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
    seen, lost = struct.unpack("II", statistics)
    print(f"{seen} packets, {lost} lost", flush=True)


def receive(address, port):
    with socket.create_server((address, int(port))) as server:
        print("listening", flush=True)
        connection, _ = server.accept()
        with connection, connection.makefile() as lines:
            for line in lines:
                print(line, end="", flush=True)


def send(address, port):
    with socket.create_connection((address, int(port))) as connection:
        for line in sys.stdin:
            connection.sendall(line.encode())


{"capture": capture, "receive": receive, "send": send}[sys.argv[1]](*sys.argv[2:])
