package catalogue_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"math"
	"testing"

	"nomadlab.internal/lab/posture/catalogue"
)

// TestGuessableKeys: public and hand-made keys are found, and no random key is.
func TestGuessableKeys(t *testing.T) {
	sequence := make([]byte, 32)
	for i := range sequence {
		sequence[i] = byte(7 * i)
	}
	bad := map[string][]byte{
		"0xff": bytes.Repeat([]byte{0xff}, 32), "zeros and a one": append(make([]byte, 31), 1), "text": []byte("correct horse battery staple 123"),
		"digits twice": bytes.Repeat([]byte("0123456789abcdef"), 2), "a sequence": sequence,
		"a random part twice": bytes.Repeat([]byte("\x91\x02\xfe\x30\x77\xab\xcd\x10\x08\x99\xe2\x5f\x41\xb0\x13\xda"), 2),
	}
	for name, raw := range bad {
		if catalogue.WhyGuessable(base64.StdEncoding.EncodeToString(raw)) == "" {
			t.Errorf("%s is not found", name)
		}
	}
	for _, key := range []string{
		"+p7iF56z0EWoSIvhpYHWXZrSAAtnjR9l6XHRzHqQKlg=", "4YwLQm6ZMwYgfldNBT5P76tAWMdcBmu+FPYRvCxvsHc=", catalogue.OldDocumentedGossipKey,
		catalogue.DocumentedGossipKey, "4kRkFQfcc3LU0BazP1ca+z==", "4kRkFQfcc3LU0BazP1ca+w==", // the same bytes
		"nomadnomadnomadnomadnomadnomadnomadnomadnom=", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq=",
		"NomadGossipEncryptionKeyForProduction123456=", "mySuperSecretNomadClusterKey0123456789abcde=",
	} {
		if catalogue.WhyGuessable(key) == "" {
			t.Errorf("%s is not found", key)
		}
	}
	for i := range 3000 {
		raw := make([]byte, []int{16, 24, 32}[i%3])
		_, _ = rand.Read(raw)
		if why := catalogue.WhyGuessable(base64.StdEncoding.EncodeToString(raw)); why != "" {
			t.Fatalf("random bytes are taken for guessable: %s", why)
		}
	}
}

// TestHowOftenRandomKeysAreFound computes the bound in WhyGuessable's contract: the sum of the probabilities that
// random bytes match one of its rules.
func TestHowOftenRandomKeysAreFound(t *testing.T) {
	for n, stated := range map[int]float64{16: 1.0 / 4e6, 24: 1e-9, 32: 1e-9} {
		letters := (8*n + 5) / 6
		bound := atMost(n/2, n, 256) + atMost(n/2, letters, 64) + atMost((n-1)/2, n-1, 256) + math.Pow(98.0/256, float64(n))
		for p := 1; p <= n/2; p++ {
			bound += math.Pow(256, float64(p-n))
		}
		for _, kind := range []float64{26, 26, 10} {
			bound += math.Pow(kind/64, float64(letters-1)) // the last letter has fewer bits
		}
		bound += wordsByChance(letters)
		t.Logf("%d bytes: %.3g", n, bound)
		if bound > stated {
			t.Errorf("of %d bytes: %g, documented is %g", n, bound, stated)
		}
	}
}

// wordsByChance bounds the probability of words in that many random letters of base64: each letter of a word is one
// of two of 64.
func wordsByChance(letters int) float64 {
	alone := func(w string) float64 { return float64(max(letters-len(w)+1, 0)) * math.Pow(1.0/32, float64(len(w))) }
	sum := 0.0
	for i, w := range catalogue.Words() {
		if len(w) >= 8 {
			sum += alone(w)
		}
		for _, other := range catalogue.Words()[i+1:] {
			if len(w)+len(other) >= 10 {
				sum += alone(w) * alone(other)
			}
		}
	}
	return sum
}

// atMost returns the probability that draws of that many values show at most k different ones.
func atMost(k, draws, values int) float64 {
	different := []float64{1}
	for range draws {
		next := make([]float64, len(different)+1)
		for d, p := range different {
			next[d] += p * float64(d) / float64(values)
			next[d+1] += p * float64(values-d) / float64(values)
		}
		different = next
	}
	sum := 0.0
	for _, p := range different[:k+1] {
		sum += p
	}
	return sum
}
