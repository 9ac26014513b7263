package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/hashicorp/go-sockaddr"
	"github.com/hashicorp/go-sockaddr/template"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// occupied returns the subnets that a lab must not take: those of the host's interfaces and routes, and those that the engine
// reports. Loopback interfaces count for contained nodes only.
func occupied(ctx context.Context, e engine.Engine) ([]netip.Prefix, error) {
	taken, err := e.Occupied(ctx)
	if err != nil {
		return nil, err
	}
	interfaces, err := sockaddr.GetAllInterfaces()
	if err != nil {
		return nil, fmt.Errorf("list this host's interfaces: %w", err)
	}
	for _, i := range interfaces {
		if p, err := netip.ParsePrefix(i.SockAddr.String()); err == nil && p.Addr().Is4() && (e.Site().Contained() || !p.Addr().IsLoopback()) {
			taken = append(taken, p.Masked())
		}
	}
	routes, err := routes()
	return append(taken, routes...), err
}

// evaluate returns the Spec with its go-sockaddr templates evaluated on this host.
func evaluate(s spec.Spec) (spec.Spec, error) {
	var problems []spec.Problem
	expand := func(field, text string) string {
		if !strings.Contains(text, "{{") {
			return text
		}
		out, err := template.Parse(text)
		if err == nil && out == "" {
			err = errors.New("it is empty")
		}
		if err != nil {
			problems = append(problems, spec.Problem{
				Field: field, Found: fmt.Sprintf("%q, which gives nothing here: %v", text, err),
				Mend: "try it with `nomadlab plan`; the functions are those of go-sockaddr",
			})
		}
		return out
	}
	s.Subnet = expand("subnet", s.Subnet)
	s.Certificates.IPs = append([]string(nil), s.Certificates.IPs...)
	for i, text := range s.Certificates.IPs {
		s.Certificates.IPs[i] = expand(fmt.Sprintf("certificates.ips[%d]", i), text)
	}
	if len(problems) > 0 {
		return spec.Spec{}, &spec.InvalidError{Problems: problems}
	}
	return s, nil
}

// Preview returns the plan that Up would carry out now. In paths on this machine, RUN stands for the name of the run.
func Preview(ctx context.Context, e engine.Engine, s spec.Spec) (plan.Plan, error) {
	return planOn(ctx, e, s, "RUN", nil)
}

// planOn returns the plan of a Spec for this host and engine, with a free subnet that overlaps none of the refused ones. versions are
// those of plan.HostEnvironment.
func planOn(ctx context.Context, e engine.Engine, s spec.Spec, run string, versions map[string]string, refused ...netip.Prefix) (plan.Plan, error) {
	s, err := evaluate(s)
	if err != nil {
		return plan.Plan{}, err
	}
	taken, err := occupied(ctx, e)
	if err != nil {
		return plan.Plan{}, err
	}
	site := e.Site()
	return plan.New(s, plan.HostEnvironment{Pools: site.Pools, Occupied: append(taken, refused...), Folder: site.Of(run), Versions: versions})
}
