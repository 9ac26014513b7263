package agentconf_test

import "github.com/zclconf/go-cty/cty"

// plainValue turns what HCL 2 read into what Go's tests compare.
func plainValue(value cty.Value) any {
	switch {
	case value.Type() == cty.String:
		return value.AsString()
	case value.Type() == cty.Bool:
		return value.True()
	case value.Type() == cty.Number:
		number, _ := value.AsBigFloat().Int64()
		return number
	case value.Type().IsTupleType():
		list := []any{}
		for _, element := range value.AsValueSlice() {
			list = append(list, plainValue(element))
		}
		return list
	}
	object := map[string]any{}
	for key, element := range value.AsValueMap() {
		object[key] = plainValue(element)
	}
	return object
}
