package lab

// GossipKey is the key that the lab's servers began to encrypt their gossip with, in base64. Empty: they do not encrypt it,
// or the key is lost. It is a secret, in no record, log or evidence of the lab.
func (l *Lab) GossipKey() string {
	if l.gossip == nil {
		return ""
	}
	return *l.gossip
}
