# Process 1 of a node's container: sh supervisor BINARY PROGRAM [ARGUMENT ...]
#
# It runs the program as a child, so that what the program has started outlives it. The container ends with the program, and
# with its exit code. TERM, INT and HUP are passed on to the program alone. USR1 ends the program with TERM and starts it again;
# USR2 kills it. BINARY is the name of the node's binary, which the program may supervise in its turn.
child='' pid='' due='' stopping='' again='' caught=''

pass() {
	if [ "$pid" ]; then kill -s "$1" "$pid"; else due=$1; fi
}

# kill_program also kills the binary that the program supervises, as consul-template does the agent: it would keep its ports.
kill_program() {
	[ "$pid" ] || return
	kill -s STOP "$pid"
	for stat in /proc/[0-9]*/stat; do
		read -r other name run parent rest <"$stat" || continue
		if [ "$parent" = "$pid" ] && [ "$name" = "($binary)" ] && [ "$binary" != "$1" ]; then kill -s KILL "$other"; fi
	done
	kill -s KILL "$pid"
}

# Signals to process 1 that it does not catch are lost.
trap 'caught=1 stopping=1; pass TERM' TERM
trap 'caught=1 stopping=1; pass INT' INT
trap 'caught=1; [ -z "$pid" ] || kill -s HUP "$pid"' HUP

# The state has the number of the current start of the program, and its process. It is empty until this start of the container has
# one, and before USR1 is caught, so that nobody takes what an earlier start left for this one's.
state=/nomadlab/program
read -r count child <"$state"
: >"$state"
trap 'caught=1; [ "$again" ] || { again=1; pass TERM; }' USR1
trap 'caught=1; kill_program "$1"' USR2

binary=$1
shift
PATH=/nomadlab/bin:$PATH
export PATH
own='' line=''
read -r own </proc/1/cmdline
while :; do
	again=
	"$@" 2>&3 3>&- &
	child=$!
	# Until it runs its own program, the child has this shell's traps, and a signal to it may be lost.
	while line=; read -r line <"/proc/$child/cmdline"; [ "$line" = "$own" ]; do :; done
	count=$((count + 1))
	echo "$count $child" >"$state"
	pid=$child
	[ -z "$due" ] || { kill -s "$due" "$pid"; due=; }
	# wait returns early when a signal is caught. Otherwise its code is the program's.
	while caught=; wait "$pid"; code=$?; [ "$caught" ]; do :; done
	pid=
	if [ "$stopping" ] || [ -z "$again" ]; then exit "$code"; fi
done 3>&2 2>/dev/null
