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

// What the kernel hands over packets in: after blockFull it gives even a block that is not full, and quiet is for how long
// nothing must have come so that everything is read that was sent before. The ring has ringBlocks of blockSize bytes, each of
// which has room for the largest IPv4 packet: handed over one each blockFull, they last for two seconds in which this program
// has no processor, as long as no more than 4 MiB a second go over the port. The kernel clears all of the ring each time that somebody
// listens, so it is no larger.
const (
	blockFull  = 32 * time.Millisecond
	quiet      = 80 * time.Millisecond
	blockSize  = 1 << 17
	ringBlocks = 64
)

// listenTo opens a packet socket on all interfaces of this machine, for the packets from and to those addresses and that
// port, or any if it is zero, and writes them to the capture until stop is called or ctx is done.
func listenTo(ctx context.Context, whose scope, port uint16, capture *PacketCapture) (stop func() error, err error) {
	// SocketDgram leaves out the link layer, which differs between interfaces. No child is to inherit the socket.
	socket, err := afpacket.NewTPacket(afpacket.SocketDgram|unix.SOCK_CLOEXEC, afpacket.TPacketVersion3,
		afpacket.OptBlockSize(blockSize), afpacket.OptNumBlocks(ringBlocks), afpacket.OptBlockTimeout(blockFull), afpacket.OptPollTimeout(quiet))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nil, ErrMayNotListen
	}
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	filter, err := bpf.Assemble(append(within(whose), at(port)...))
	if err == nil {
		err = socket.SetBPF(filter)
	}
	if err == nil {
		err = socket.InitSocketStats() // what was lost before the filter was everybody's
	}
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("have the packet socket take the packets of %v alone: %w", whose, err)
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
	// Where an IPv4 packet has its addresses, and the header behind it its ports.
	source, destination         = 12, 16
	sourcePort, destinationPort = 0, 2
)

// within lets IPv4 packets through, without a link layer, one of whose ends is in the scope.
func within(whose scope) []bpf.Instruction {
	const each, rest = 6, 3 // instructions for a network, and of those the ones that look at the destination
	var all []bpf.Instruction
	for i, p := range whose {
		network := p.Masked().Addr().As4()
		want := uint32(network[0])<<24 | uint32(network[1])<<16 | uint32(network[2])<<8 | uint32(network[3])
		mask := ^uint32(0) << (32 - p.Bits())
		through := uint8(each*(len(whose)-1-i) + 1) // past the other networks and the refusal
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

// at takes the packets of TCP and UDP, which have their ports at the same place, one of whose ends has the port; all if it
// is zero.
func at(port uint16) []bpf.Instruction {
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

// record writes packets to the capture until it is stopped and nothing more comes.
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

// dropped notes the packets for which the kernel had no room.
func dropped(socket *afpacket.TPacket, capture *PacketCapture) error {
	_, stats, err := socket.SocketStats()
	if err != nil {
		return fmt.Errorf("ask how many packets were lost: %w", err)
	}
	capture.miss(int(stats.Drops()))
	return nil
}
