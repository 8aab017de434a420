package ColdTier;
# varved with a real store as its cold tier, and what must hold for all of them.
#
#   my $tier = ColdTier->start($stored, 'tier.store.url=...');   $stored->(): how many bytes the store has;
#                                          none where the broker is not varved
#   $tier->moves;                          records leave for the store, and are read from there
#   $tier->outlasts($away, $back);         ... after the store was away: two functions that see to that
#   $tier->told('nobody there', qr/refused/, 'tier.store.url=...');      a start with other options says
#   $tier->broker; $tier->records;
use strict;
use warnings;
use Records;
use Test::More;
use Varved;

sub start {
    my ($class, $stored, @options) = @_;
    my $self = bless { stored => $stored, options => [ 'remote.log.storage.system.enable=true',
        'checkpoint.interval.ms=200', @options ] }, $class;
    $self->{broker} = Varved->start(@{ $self->{options} });
    return if !$self->broker->is_varved;
    $self->{records} = Records->new($self->broker);
    unlike($self->broker->said('err'), qr/cold\.store/, 'a store that can be used is no event');
    return $self;
}

sub broker { return $_[0]{broker} }
sub records { return $_[0]{records} }

sub moves {
    my ($self) = @_;
    my ($broker, $records, $before) = ($self->broker, $self->records, $self->{stored}->());
    ok($records->topic('cold', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
        '-c segment.bytes=1100000'), 'a topic that asks for the cold tier');
    ok($records->produce('cold', 60_000), 'records');
    ok(wait_until(sub { $self->{stored}->() - $before > 4_500_000 }), 'they are copied to the store');
    ok(wait_until(sub { $records->local_bytes < 1_500_000 }), '... and leave this disk');
    is($records->consume('cold'), 60_000, 'and are read from there');
    $broker->crash;
    $broker->restart;
    is($records->consume('cold'), 60_000, '... after a crash');
}

sub outlasts {
    my ($self, $away, $back) = @_;
    my $records = $self->records;
    $away->();
    ok($records->topic('hot', '--partitions 1'), 'while the store is away, topics are made');
    ok($records->produce('hot', 1000), '... records are taken');
    is($records->consume('hot'), 1000, '... and served');
    ok($records->produce('cold', 15_000), '... also in the topic with a cold tier');
    $back->();
    ok(wait_until(sub { $records->local_bytes < 1_700_000 }), 'when it is back, records leave as before');
    is($records->consume('cold'), 75_000, '... and all are there');
}

# Started so it ends at once, or says why the store can't be used.
sub told {
    my ($self, $what, $words, @changes) = @_;
    my %option = map { split /=/, $_, 2 } @{ $self->{options} }, @changes;
    my $other = Varved->new(options => [ map { "$_=$option{$_}" } keys %option ]);
    $other->launch;
    $other->is_ready;
    $other->end('TERM');
    my ($line) = grep { /cold\.store|tier\./ } split /\n/, $other->said('err');
    like($line // '', $words, $what);
}

1;
