package deadline

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
)

// load is how many threads of this machine want to run, for each processor: at this moment, or in the last minute, whichever
// is more. What waits for a disk counts. It is 0 where the system does not say, as where it is not Linux.
func load() float64 {
	return max(wanting(read("/proc/stat")), averaged(read("/proc/loadavg"))) / float64(runtime.NumCPU())
}

// read returns the file's content, or nothing.
func read(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return content
}

// wanting is how many threads run, wait for a processor, or wait for a disk, as /proc/stat has it.
func wanting(stat []byte) float64 {
	sum := 0.0
	for line := range bytes.Lines(stat) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if string(name) == "procs_running" || string(name) == "procs_blocked" {
			sum += number(value)
		}
	}
	return sum
}

// averaged is the average of the last minute, which is the first number of /proc/loadavg.
func averaged(loadavg []byte) float64 {
	first, _, _ := bytes.Cut(loadavg, []byte(" "))
	return number(first)
}

// number is 0 for what is none.
func number(text []byte) float64 {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0
	}
	return n
}
