package catalogue

import (
	"net/http"

	"nomadlab.internal/lab/probe"
)

// Looks are the looks into answers' bodies, by what they are for.
func Looks() map[string]func(http.Header, []byte) (bool, string, error) {
	all := map[string]func(http.Header, []byte) (bool, string, error){
		"raw_exec": offering("raw_exec"), "drivers": telling, "life": livesLonger(0), "metrics": metricLook("", "nomad.").In,
		"ring": ringLook("", func([]string) (bool, string) { return false, "" }).In,
	}
	for _, l := range append(clientLines(), append(cacheLines(), serverLines()...)...) {
		all[l.id] = inSelf(l.in)
	}
	return all
}

// StrangeAuthority is the look for an authority other than this one.
func StrangeAuthority(own string) probe.Look {
	return Ingredients{Authorities: []string{own}}.strangeAuthority()
}
