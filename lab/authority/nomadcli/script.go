package nomadcli

import (
	"fmt"
	"strconv"
	"strings"
)

// atOnce is how many commands a script runs side by side: each needs some 60 MB for a moment.
const atOnce = 8

// caFolder has the authority, and the folders 0, 1, … a certificate each: Nomad refuses to replace files, and names all servers'
// files alike.
const caFolder = "ca"

// The files that a script leaves in a command's folder, beside Nomad's.
const (
	codeFile = "code"
	saidFile = "said"
)

// prelude runs in a folder that only this user may read and that is gone when the script ends. A command reads no standard
// input, because that is the rest of the script. NOMAD_REGION would go into certificates of the default region
// (command/tls_cert_create.go:196). Each command lives for some hundredths of a second: without garbage collection and further
// threads it takes a third less of processor time.
const prelude = `set -eu
umask 077
unset NOMAD_REGION
export GOGC=off GOMAXPROCS=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
cd "$folder"
run() (
	cd "$1"
	shift
	code=0
	"$@" >` + saidFile + ` 2>&1 </dev/null || code=$?
	echo "$code" >` + codeFile + `
)
`

// script returns a shell script that runs the commands, each in a folder of its own, and writes all files that they made, what
// they said and their exit codes to standard output as one tar archive. It makes the authority first, or takes the given one. It
// succeeds whatever the exit codes are. If the authority cannot be made, no certificate is.
func (o Options) script(given *authorityFiles, certificates [][]string) string {
	var b strings.Builder
	b.WriteString(prelude)
	fmt.Fprintf(&b, "mkdir %s\n", caFolder)
	if given == nil {
		fmt.Fprintf(&b, "run %s %s\n", caFolder, commandLine(o.caCommand()))
	} else {
		writeText(&b, caFolder+"/"+o.caFile(), given.certificate)
		writeText(&b, caFolder+"/"+o.caKeyFile(), given.key)
		fmt.Fprintf(&b, "echo 0 >%s/%s\n", caFolder, codeFile)
	}
	if len(certificates) > 0 {
		fmt.Fprintf(&b, "if [ \"$(cat %s/%s)\" = 0 ]; then\n", caFolder, codeFile)
		for i, command := range certificates {
			fmt.Fprintf(&b, "mkdir %[1]d\nln -s ../%[2]s/%[3]s ../%[2]s/%[4]s %[1]d/\nrun %[1]d %[5]s &\n",
				i, caFolder, quote(o.caFile()), quote(o.caKeyFile()), commandLine(command))
			if (i+1)%atOnce == 0 {
				b.WriteString("wait\n")
			}
		}
		b.WriteString("wait\nfi\n")
	}
	b.WriteString("tar -cf - *\n")
	return b.String()
}

// writeText writes a PEM text into a file by the shell itself, so that no other program's arguments have it.
func writeText(b *strings.Builder, name string, text []byte) {
	fmt.Fprintf(b, "cat >%s <<'END OF PEM'\n%s\nEND OF PEM\n", quote(name), strings.TrimSuffix(string(text), "\n"))
}

// commandLine returns the command as a user would type it into a shell.
func commandLine(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = quote(arg)
	}
	return strings.Join(quoted, " ")
}

// quote returns the text as one word of a shell.
func quote(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.=:/@"
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// folderOf returns the folder of a certificate's command.
func folderOf(i int) string { return strconv.Itoa(i) }
