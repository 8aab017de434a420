package Records;
# Numbered records in topics, by the tool: what was sent comes back whole, and in order.
#
#   my $records = Records->new($broker);
#   $records->topic('cold', '--partitions 1 -c segment.bytes=1100000');
#   $records->produce('cold', 1000); is($records->consume('cold'), 1000);
use strict;
use warnings;
use Exporter 'import';
use File::Find;
use File::Temp qw(tempdir);
use Test::More;
use Varved;

our @EXPORT = qw(bytes_of);

my $varve = $ENV{VARVE_TOOL} // ($ENV{builddir} // '.') . '/server/tool/varve';

# Of all files below a directory.
sub bytes_of {
    my ($where) = @_;
    my $bytes = 0;
    find({ no_chdir => 1, wanted => sub { $bytes += -s if -f } }, $where) if -d $where;
    return $bytes;
}

sub new {
    my ($class, $broker) = @_;
    return bless { broker => $broker, dir => tempdir(CLEANUP => 1), sent => {} }, $class;
}

# Of the records that the broker has on its own disk.
sub local_bytes { return bytes_of($_[0]{broker}->dir . '/data/log') }

sub varve {
    my ($self, $command, @args) = @_;
    return 1 if system("$varve $command -b " . $self->{broker}->address . " @args 2>$self->{dir}/err") == 0;
    diag(text_of("$self->{dir}/err"));
    return 0;
}

sub topic {
    my ($self, $name, @options) = @_;
    return $self->varve('topic create', $name, @options, '>/dev/null');
}

# So many more: their number, and something that doesn't pack.
sub produce {
    my ($self, $topic, $n) = @_;
    my $sent = $self->{sent}{$topic} // 0;
    write_lines("$self->{dir}/in", 100, [ $sent + 1 .. $sent + $n ], sub { "$_[0] " });
    $self->{sent}{$topic} = $sent + $n;
    open(my $all, '>>', "$self->{dir}/sent.$topic") or die "sent.$topic: $!";
    print $all text_of("$self->{dir}/in");
    close $all or die "sent.$topic: $!";
    return $self->varve('produce', $topic, "<$self->{dir}/in >/dev/null");
}

# How many come, each as it was sent, in order from the first on; negative: something is wrong.
sub consume {
    my ($self, $topic) = @_;
    $self->varve('consume', $topic, ">$self->{dir}/out") or return -1;
    open(my $came, '<', "$self->{dir}/out") or die "out: $!";
    open(my $sent, '<', "$self->{dir}/sent.$topic") or die "sent.$topic: $!";
    my $n = 0;
    while (defined(my $line = <$came>)) {
        my $as = <$sent>;
        return -2 unless defined $as && $line eq $as;
        $n++;
    }
    return $n;
}

1;
