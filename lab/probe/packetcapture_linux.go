package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopacket/gopacket/afpacket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The kernel returns packets in blocks: after blockTimeout also a block that is not full. If no packet came for quiet, all that
// were sent before have been read. The ring has ringBlocks of blockSize bytes, each with room for the largest IPv4 packet: with
// one block returned each blockTimeout, it lasts for two seconds in which this program gets no processor, up to 4 MiB a second
// on the port. It is no larger because the kernel clears the whole ring at each start of a capture.
const (
	blockTimeout = 32 * time.Millisecond
	quiet        = 80 * time.Millisecond
	blockSize    = 1 << 17
	ringBlocks   = 64
)

// capturePackets opens a packet socket on all interfaces of this machine, for the packets in the scope and of that port, or any
// port if it is zero, and adds them to the capture until stop is called or ctx is done.
func capturePackets(ctx context.Context, s scope, port uint16, capture *PacketCapture) (stop func() error, err error) {
	// SocketDgram leaves out the link layer, which differs between interfaces. No child process inherits the socket.
	socket, err := afpacket.NewTPacket(afpacket.SocketDgram|unix.SOCK_CLOEXEC, afpacket.TPacketVersion3,
		afpacket.OptBlockSize(blockSize), afpacket.OptNumBlocks(ringBlocks), afpacket.OptBlockTimeout(blockTimeout), afpacket.OptPollTimeout(quiet))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nil, ErrMayNotCapture
	}
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	filter, err := bpf.Assemble(append(scopeFilter(s), portFilter(port)...))
	if err == nil {
		err = socket.SetBPF(filter)
	}
	if err == nil {
		err = socket.InitSocketStats() // packets that were lost before the filter count for nothing
	}
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("filter the packets of %v: %w", s, err)
	}
	stopped, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- record(ctx, socket, capture, stopped)
		socket.Close()
	}()
	return func() error {
		close(stopped)
		return <-done
	}, nil
}

const (
	wholePacket = 1 << 18
	// The offsets of the addresses in an IPv4 packet, and of the ports in the header after it.
	source, destination         = 12, 16
	sourcePort, destinationPort = 0, 2
)

// scopeFilter passes IPv4 packets, without a link layer, that have one end in the scope.
func scopeFilter(s scope) []bpf.Instruction {
	const each, rest = 6, 3 // instructions for a network, and those of them for the destination
	var all []bpf.Instruction
	for i, p := range s {
		network := p.Masked().Addr().As4()
		want := uint32(network[0])<<24 | uint32(network[1])<<16 | uint32(network[2])<<8 | uint32(network[3])
		mask := ^uint32(0) << (32 - p.Bits())
		through := uint8(each*(len(s)-1-i) + 1) // past the other networks and the refusal
		all = append(all,
			bpf.LoadAbsolute{Off: source, Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: want, SkipTrue: through + rest},
			bpf.LoadAbsolute{Off: destination, Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: want, SkipTrue: through},
		)
	}
	return append(all, bpf.RetConstant{Val: 0})
}

// portFilter passes packets of TCP and UDP, which have their ports at the same offsets, that have one end with the port; all if
// it is zero.
func portFilter(port uint16) []bpf.Instruction {
	if port == 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: wholePacket}}
	}
	return []bpf.Instruction{
		bpf.LoadMemShift{Off: 0}, // the length of the IP header
		bpf.LoadIndirect{Off: sourcePort, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(port), SkipTrue: 2},
		bpf.LoadIndirect{Off: destinationPort, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1},
		bpf.RetConstant{Val: wholePacket},
		bpf.RetConstant{Val: 0},
	}
}

// record adds packets to the capture until it is stopped and no more come.
func record(ctx context.Context, socket *afpacket.TPacket, capture *PacketCapture, stopped <-chan struct{}) error {
	var end time.Time
	for ctx.Err() == nil {
		select {
		case <-stopped:
			if end.IsZero() {
				end = time.Now()
			}
		default:
		}
		data, info, err := socket.ZeroCopyReadPacketData()
		switch {
		case errors.Is(err, afpacket.ErrTimeout):
			if !end.IsZero() {
				return dropped(socket, capture)
			}
			continue
		case err != nil:
			return fmt.Errorf("listen on the network: %w", err)
		case !end.IsZero() && info.Timestamp.After(end):
			return dropped(socket, capture)
		}
		if info.CaptureLength < info.Length {
			capture.miss(1)
		}
		capture.add(data)
	}
	return fmt.Errorf("listen on the network: %w", ctx.Err())
}

// dropped counts the packets for which the kernel had no room.
func dropped(socket *afpacket.TPacket, capture *PacketCapture) error {
	_, stats, err := socket.SocketStats()
	if err != nil {
		return fmt.Errorf("ask how many packets were lost: %w", err)
	}
	capture.miss(int(stats.Drops()))
	return nil
}
